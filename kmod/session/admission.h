/* SPDX-License-Identifier: GPL-2.0-only */
/* The admission of a session's requests (admission.c). */
#ifndef IP_VS_BPF_SESSION_ADMISSION
#define IP_VS_BPF_SESSION_ADMISSION

#include "table/session.h"

void ivb_admit(struct session *session, const struct sk_buff *skb, u8 family);
bool ivb_is_admitted(const struct session *session, const struct sk_buff *skb, u8 family);

#endif
