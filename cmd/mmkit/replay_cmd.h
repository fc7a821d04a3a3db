/* SPDX-License-Identifier: MIT */
/* replay_cmd.h - `mmkit replay`. */
#ifndef REPLAY_CMD_H
#define REPLAY_CMD_H

/* => the exit status; argv[0] is the name that usage messages show */
int replay_cmd(int argc, char **argv);

#endif
