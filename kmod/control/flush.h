/* SPDX-License-Identifier: GPL-2.0-only */
/* Ends the sessions of services that were removed (flush.c). */
#ifndef IP_VS_BPF_CONTROL_FLUSH
#define IP_VS_BPF_CONTROL_FLUSH

#include "table/director.h"

void ivb_sessions_flush(struct director *director);

#endif
