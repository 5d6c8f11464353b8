/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_VERBS_H
#define CLI_VERBS_H

#include "cli/cli.h"

/*
 * The verbs' functions and option tables; each lives in verb_*.c. verbs.c holds the one table of
 * them all.
 */

int verb_create(struct cli *cli, int argc, char **argv, struct err *err);
int verb_run(struct cli *cli, int argc, char **argv, struct err *err);
int verb_ls(struct cli *cli, int argc, char **argv, struct err *err);
int verb_show(struct cli *cli, int argc, char **argv, struct err *err);
int verb_ports(struct cli *cli, int argc, char **argv, struct err *err);
int verb_ssh(struct cli *cli, int argc, char **argv, struct err *err);
int verb_ssh_config(struct cli *cli, int argc, char **argv, struct err *err);
int verb_exec(struct cli *cli, int argc, char **argv, struct err *err);
int verb_console(struct cli *cli, int argc, char **argv, struct err *err);
int verb_cp(struct cli *cli, int argc, char **argv, struct err *err);
int verb_logs(struct cli *cli, int argc, char **argv, struct err *err);
int verb_stop(struct cli *cli, int argc, char **argv, struct err *err);
int verb_start(struct cli *cli, int argc, char **argv, struct err *err);
int verb_set(struct cli *cli, int argc, char **argv, struct err *err);
int verb_renew(struct cli *cli, int argc, char **argv, struct err *err);
int verb_destroy(struct cli *cli, int argc, char **argv, struct err *err);
int verb_stats(struct cli *cli, int argc, char **argv, struct err *err);
int verb_image(struct cli *cli, int argc, char **argv, struct err *err);
int verb_kernel(struct cli *cli, int argc, char **argv, struct err *err);
int verb_reap(struct cli *cli, int argc, char **argv, struct err *err);
int verb_verify(struct cli *cli, int argc, char **argv, struct err *err);
int verb_audit(struct cli *cli, int argc, char **argv, struct err *err);
int verb_history(struct cli *cli, int argc, char **argv, struct err *err);
int verb_who(struct cli *cli, int argc, char **argv, struct err *err);
int verb_host(struct cli *cli, int argc, char **argv, struct err *err);
int verb_doctor(struct cli *cli, int argc, char **argv, struct err *err);
int verb_completion(struct cli *cli, int argc, char **argv, struct err *err);
int verb_complete(struct cli *cli, int argc, char **argv, struct err *err);
int verb_version(struct cli *cli, int argc, char **argv, struct err *err);
int verb_help(struct cli *cli, int argc, char **argv, struct err *err);

extern const struct opt verb_create_options[];
extern const struct opt verb_run_options[];
extern const struct opt verb_ls_options[];
extern const struct opt verb_ports_options[];
extern const struct opt verb_ssh_options[];
extern const struct opt verb_exec_options[];
extern const struct opt verb_console_options[];
extern const struct opt verb_cp_options[];
extern const struct opt verb_logs_options[];
extern const struct opt verb_stop_options[];
extern const struct opt verb_start_options[];
extern const struct opt verb_set_options[];
extern const struct opt verb_renew_options[];
extern const struct opt verb_destroy_options[];
extern const struct opt verb_stats_options[];
extern const struct opt verb_reap_options[];
extern const struct opt verb_history_options[];
extern const struct opt verb_who_options[];
extern const struct opt verb_host_options[];
extern const struct opt verb_doctor_options[];

#endif
