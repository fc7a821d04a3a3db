/* SPDX-License-Identifier: MIT */
#ifndef SIMULATE_CMD_H
#define SIMULATE_CMD_H

/* `mmkit simulate': becomes the simulator, a program of its own. => only when it cannot */
int simulate_cmd(int argc, char **argv);

#endif
