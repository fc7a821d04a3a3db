/* SPDX-License-Identifier: MIT */
/* machine_node.h - the node of each CPU: 0, unless a test says otherwise (machine_set_node()). */
extern unsigned machine_nodes[MMK_MAX_CPUS];

MMK_ALWAYS_INLINE unsigned mmk_node_id(void)
{
    return machine_nodes[mmk_cpu_id()];
}
