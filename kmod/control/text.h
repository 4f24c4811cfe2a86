/* SPDX-License-Identifier: GPL-2.0-only */
/* Addresses, protocols and errors as text (text.c). */
#ifndef IP_VS_BPF_CONTROL_TEXT
#define IP_VS_BPF_CONTROL_TEXT

#include "table/director.h"

bool ivb_address_parse(const char *text, u8 *family, union nf_inet_addr *addr);
bool ivb_endpoint_parse(char *text, u8 *family, union nf_inet_addr *addr,
			__be16 *port);
void ivb_endpoint_print(char *text, size_t size, u8 family,
			const union nf_inet_addr *addr, __be16 port);
bool ivb_protocol_parse(const char *name, u8 *protocol);
const char *ivb_protocol_name(u8 protocol);
__printf(4, 5) int ivb_refuse(char *error, int code, unsigned int line,
			      const char *format, ...);

#endif
