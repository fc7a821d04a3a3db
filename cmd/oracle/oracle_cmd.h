/* SPDX-License-Identifier: MIT */
#ifndef ORACLE_CMD_H
#define ORACLE_CMD_H

/* `mmkit oracle'. => the exit status */
int oracle_cmd(int argc, char **argv);

#endif
