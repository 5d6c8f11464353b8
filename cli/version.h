/* SPDX-License-Identifier: Apache-2.0 */
/* Copyright The mayfly authors */
#ifndef CLI_VERSION_H
#define CLI_VERSION_H

#define MAYFLY_VERSION "0.1.0"

#endif
