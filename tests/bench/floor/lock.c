/* tests/bench/floor/lock.c — floor of B13: locks a table, reads the log's position, unlocks. */
/*
 * usage: sluice_floor_lock SOCKET DATABASE TABLE TIMES
 * Prints, as a JSON array, for how many milliseconds each round held writers up.
 */
#include <mysql.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static bool run(MYSQL *mysql, const char *sql)
{
    if (mysql_query(mysql, sql) != 0) {
        fprintf(stderr, "lock: %s: %s\n", sql, mysql_error(mysql));
        return false;
    }
    mysql_free_result(mysql_store_result(mysql));
    return true;
}

static double now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec * 1e3 + (double)now.tv_nsec / 1e6;
}

int main(int argc, char **argv)
{
    char lock[256];
    MYSQL *mysql = mysql_init(NULL);
    if (argc != 5 || !mysql_real_connect(mysql, NULL, "root", "", argv[2], 0, argv[1], 0)) {
        fprintf(stderr, "usage: %s SOCKET DATABASE TABLE TIMES\n", argv[0]);
        return 2;
    }
    snprintf(lock, sizeof(lock), "LOCK TABLES `%s` WRITE", argv[3]);
    for (long i = 0, times = strtol(argv[4], NULL, 10); i < times; i++) {
        double begun = now_ms();
        if (!run(mysql, lock) || !run(mysql, "SELECT @@gtid_binlog_pos") ||
            !run(mysql, "UNLOCK TABLES"))
            return 1;
        printf("%s%.3f", i ? "," : "[", now_ms() - begun);
    }
    printf("]\n");
    mysql_close(mysql);
    return 0;
}
