# cmake/mysql_client.cmake — chooses the client library that mysql/ is built on; defines the target sluice_mysql_client.
#
# SLUICE_MYSQL_CLIENT  auto (Connector/C where it is installed), mariadb or connector-c, mysql or libmysqlclient
# SLUICE_MYSQL_ROOT    with libmysqlclient: a folder with inc/, link/ and root/, as the test harness
#                      fetches it; its programs run with that tree's own C library. Empty: the
#                      system's libmysqlclient, found by pkg-config.
set(SLUICE_MYSQL_CLIENT "$ENV{SLUICE_MYSQL_CLIENT}" CACHE STRING
    "client library of mysql/: auto, mariadb (Connector/C) or mysql (libmysqlclient)")
set(SLUICE_MYSQL_ROOT "$ENV{SLUICE_MYSQL_ROOT}" CACHE PATH "folder of a libmysqlclient beside the system's")

pkg_check_modules(MARIADB IMPORTED_TARGET libmariadb)
string(TOLOWER "${SLUICE_MYSQL_CLIENT}" client)
if(client STREQUAL "" OR client STREQUAL "auto")
  if(MARIADB_FOUND)
    set(client mariadb)
  else()
    set(client mysql)
  endif()
endif()

add_library(sluice_mysql_client INTERFACE)
if(client MATCHES "^(mariadb|connector-c)$")
  if(NOT MARIADB_FOUND)
    message(FATAL_ERROR "MariaDB Connector/C not found; install libmariadb-dev")
  endif()
  target_link_libraries(sluice_mysql_client INTERFACE PkgConfig::MARIADB)
  set(SLUICE_OTHER_CLIENT "/mysql/[a-z_]+_libmysqlclient\\.c$")
elseif(client MATCHES "^(mysql|libmysqlclient)$")
  set(SLUICE_OTHER_CLIENT "/mysql/[a-z_]+_connector\\.c$")
  if(SLUICE_MYSQL_ROOT)
    set(tree ${SLUICE_MYSQL_ROOT}/root)
    if(NOT EXISTS ${SLUICE_MYSQL_ROOT}/inc/mysql/mysql.h)
      message(FATAL_ERROR "no inc/mysql/mysql.h in ${SLUICE_MYSQL_ROOT}; fetch it: tests/servers/servers.py fetch libmysqlclient")
    endif()
    target_include_directories(sluice_mysql_client SYSTEM INTERFACE
      ${SLUICE_MYSQL_ROOT}/inc ${SLUICE_MYSQL_ROOT}/inc/mysql)
    target_compile_definitions(sluice_mysql_client INTERFACE
      SLUICE_MYSQL_PLUGIN_DIR="${tree}/usr/lib/mysql/plugin")
    # rpath, not runpath: what the library itself links has to be found in that tree too.
    target_link_options(sluice_mysql_client INTERFACE -Wl,--allow-shlib-undefined
      -Wl,--disable-new-dtags,-rpath,${tree}/usr/lib/x86_64-linux-gnu
      -Wl,--dynamic-linker=${tree}/usr/lib64/ld-linux-x86-64.so.2)
    target_link_libraries(sluice_mysql_client INTERFACE
      ${SLUICE_MYSQL_ROOT}/link/libmysqlclient.so)
  else()
    pkg_check_modules(MYSQLCLIENT REQUIRED IMPORTED_TARGET mysqlclient)
    target_link_libraries(sluice_mysql_client INTERFACE PkgConfig::MYSQLCLIENT)
  endif()
else()
  message(FATAL_ERROR "SLUICE_MYSQL_CLIENT is '${SLUICE_MYSQL_CLIENT}'; one of auto, mariadb, mysql")
endif()
message(STATUS "client library: ${client}")
