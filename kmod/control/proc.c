// SPDX-License-Identifier: GPL-2.0-only
/*
 * /proc/net/ip_vs_bpf: the files map, services, local_ips, rules, fast_path,
 * xdp, port_secret, unanswered and stats. sessions_proc.c adds the file sessions.
 *
 * Each write(2) is one transaction: all of it takes effect, or nothing does. If nothing
 * does, the first line of the next read, "# error: …", says why. Writing needs
 * CAP_NET_ADMIN in the initial user namespace, as configuring IPVS by netlink does in
 * most kernels (ip_vs_ctl.c).
 */
#include <linux/kernel.h>
#include <linux/module.h>
#include <linux/user_namespace.h>
#include <linux/slab.h>
#include <linux/string.h>
#include <linux/seq_file.h>
#include <linux/uaccess.h>

#include "control/proc.h"
#include "control/text.h"

static bool userns;
module_param(userns, bool, 0644);
MODULE_PARM_DESC(userns, "let root of a user namespace configure its own network namespaces");

/* The longest accepted write, in bytes. */
#define WRITE_MAX (256 * 1024)

/* Maps and local IPs keep the module loaded, too (services.c): unloading it would take
 * them from a namespace that has not asked for it. If it is being unloaded right now, they
 * go with it. Called under config.
 */
static void hold_module(struct director *director)
{
	bool is_used = rcu_access_pointer(director->maps) || director->local_ip_count;

	if (is_used == director->holds_module)
		return;
	if (is_used) {
		director->holds_module = try_module_get(THIS_MODULE);
	} else {
		director->holds_module = false;
		module_put(THIS_MODULE);
	}
}

static ssize_t write(struct file *file, const char __user *from, size_t size,
		     char *error,
		     int (*parse)(struct director *director, char *text))
{
	struct director *director = compat_pde_data(file_inode(file));
	char *text;
	int err;

	if (!file_ns_capable(file, userns ? director->net->user_ns : &init_user_ns,
			     CAP_NET_ADMIN))
		return -EPERM;
	if (size > WRITE_MAX)
		return -E2BIG;
	text = kvmalloc(size + 1, GFP_KERNEL_ACCOUNT);
	if (!text)
		return -ENOMEM;
	if (copy_from_user(text, from, size)) {
		kvfree(text);
		return -EFAULT;
	}
	text[size] = '\0';

	mutex_lock(&director->config);
	error[0] = '\0';
	if (strlen(text) != size)
		err = ivb_refuse(error, -EINVAL, 0, "the text has a zero byte");
	else
		err = parse(director, text);
	hold_module(director);
	mutex_unlock(&director->config);
	kvfree(text);
	return err ?: size;
}

static void show_error(struct seq_file *seq, const char *error)
{
	if (error[0])
		seq_printf(seq, "# error: %s\n", error);
}

#define PROC_FILE(name, name_error)                                            \
	static int name##_seq(struct seq_file *seq, void *unused)              \
	{                                                                      \
		struct director *director = seq->private;                      \
									       \
		mutex_lock(&director->config);                                 \
		show_error(seq, director->name_error);                         \
		ivb_##name##_show(director, seq);                              \
		mutex_unlock(&director->config);                               \
		return 0;                                                      \
	}                                                                      \
	static int name##_open(struct inode *inode, struct file *file)         \
	{                                                                      \
		return single_open(file, name##_seq, compat_pde_data(inode));  \
	}                                                                      \
	static ssize_t name##_proc_write(struct file *file,                    \
					 const char __user *from, size_t size, \
					 loff_t *offset)                       \
	{                                                                      \
		struct director *director = compat_pde_data(file_inode(file)); \
									       \
		return write(file, from, size, director->name_error,           \
			     ivb_##name##_write);                              \
	}                                                                      \
	static const struct proc_ops name##_proc_ops = {                       \
		.proc_open = name##_open,                                      \
		.proc_read = seq_read,                                         \
		.proc_lseek = seq_lseek,                                       \
		.proc_write = name##_proc_write,                               \
		.proc_release = single_release,                                \
	}

PROC_FILE(map, map_error);
PROC_FILE(services, services_error);
PROC_FILE(local_ips, local_ips_error);
PROC_FILE(fast_path, fast_path_error);
PROC_FILE(xdp, xdp_error);
PROC_FILE(port_secret, port_secret_error);
PROC_FILE(unanswered, unanswered_error);
PROC_FILE(rules, rules_error);

static int stats_seq(struct seq_file *seq, void *unused)
{
	ivb_stats_show(seq->private, seq);
	return 0;
}

static bool add(struct director *director, const char *name, umode_t mode,
		const struct proc_ops *ops)
{
	struct user_namespace *user_ns = director->net->user_ns;
	struct proc_dir_entry *entry;

	entry = proc_create_data(name, mode, director->proc, ops, director);
	if (!entry)
		return false;
	/* The namespace's root owns the file, whatever user that is outside. */
	if (uid_valid(make_kuid(user_ns, 0)) && gid_valid(make_kgid(user_ns, 0)))
		proc_set_user(entry, make_kuid(user_ns, 0), make_kgid(user_ns, 0));
	return true;
}

int ivb_proc_create_all(struct director *director)
{
	director->proc = proc_mkdir("ip_vs_bpf", director->net->proc_net);
	if (!director->proc)
		return -ENOMEM;
	if (add(director, "map", 0644, &map_proc_ops) &&
	    add(director, "services", 0644, &services_proc_ops) &&
	    add(director, "local_ips", 0644, &local_ips_proc_ops) &&
	    add(director, "fast_path", 0644, &fast_path_proc_ops) &&
	    add(director, "xdp", 0644, &xdp_proc_ops) &&
	    add(director, "port_secret", 0600, &port_secret_proc_ops) &&
	    add(director, "unanswered", 0644, &unanswered_proc_ops) &&
	    add(director, "rules", 0644, &rules_proc_ops) &&
	    add(director, "sessions", 0440, &ivb_sessions_proc_ops) &&
	    proc_create_single_data("stats", 0444, director->proc, stats_seq,
				    director))
		return 0;
	ivb_proc_remove_all(director);
	return -ENOMEM;
}

/* Returns when the last reader and writer has finished. Maps and local IPs no longer keep
 * the module: they are freed with the director, for which its unloading waits.
 */
void ivb_proc_remove_all(struct director *director)
{
	proc_remove(director->proc);
	if (director->holds_module)
		module_put(THIS_MODULE);
}
