/* app/cli/cmd_decode.h — `sluice decode`: binary log files to records, offline. */
#ifndef SLUICE_APP_CLI_CMD_DECODE_H
#define SLUICE_APP_CLI_CMD_DECODE_H

/* argv[0] is "decode". Returns the exit code. */
int cmd_decode(int argc, char **argv);

#endif
