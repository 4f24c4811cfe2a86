/* SPDX-License-Identifier: GPL-2.0-only */
/* The files of /proc/net/ip_vs_bpf (proc.c). Each has a source file here. */
#ifndef IP_VS_BPF_CONTROL_PROC
#define IP_VS_BPF_CONTROL_PROC

#include <linux/proc_fs.h>
#include <linux/seq_file.h>

#include "table/director.h"

int ivb_map_write(struct director *director, char *text);
void ivb_map_show(struct director *director, struct seq_file *seq);
int ivb_services_write(struct director *director, char *text);
void ivb_services_show(struct director *director, struct seq_file *seq);
int ivb_local_ips_write(struct director *director, char *text);
void ivb_local_ips_show(struct director *director, struct seq_file *seq);
int ivb_rules_write(struct director *director, char *text);
void ivb_rules_show(struct director *director, struct seq_file *seq);
int ivb_fast_path_write(struct director *director, char *text);
void ivb_fast_path_show(struct director *director, struct seq_file *seq);
int ivb_port_secret_write(struct director *director, char *text);
void ivb_port_secret_show(struct director *director, struct seq_file *seq);
int ivb_unanswered_write(struct director *director, char *text);
void ivb_unanswered_show(struct director *director, struct seq_file *seq);
int ivb_xdp_write(struct director *director, char *text);
void ivb_xdp_show(struct director *director, struct seq_file *seq);
void ivb_stats_show(struct director *director, struct seq_file *seq);
extern const struct proc_ops ivb_sessions_proc_ops;

int ivb_proc_create_all(struct director *director);
void ivb_proc_remove_all(struct director *director);

#endif
