// SPDX-License-Identifier: GPL-2.0-only
/*
 * Addresses and protocols of both families, in the format of the proc files:
 * 10.0.0.1:80, [fd00::1]:80.
 */
#include <linux/ctype.h>
#include <linux/inet.h>
#include <linux/string.h>
#include <net/ipv6.h>

#include "control/text.h"

/* Parses an address that belongs to one host. */
bool ivb_address_parse(const char *text, u8 *family, union nf_inet_addr *addr)
{
	const char *end;
	int type;

	memset(addr, 0, sizeof(*addr));
	if (in4_pton(text, -1, (u8 *)&addr->ip, -1, &end) && !*end) {
		*family = AF_INET;
		return addr->ip && !ipv4_is_multicast(addr->ip) &&
		       !ipv4_is_lbcast(addr->ip);
	}
	memset(addr, 0, sizeof(*addr));
	if (!in6_pton(text, -1, (u8 *)&addr->in6, -1, &end) || *end)
		return false;
	*family = AF_INET6;
	type = ipv6_addr_type(&addr->in6);
	/* A link-local address has no meaning without its link. */
	return type & IPV6_ADDR_UNICAST &&
	       !(type & (IPV6_ADDR_LINKLOCAL | IPV6_ADDR_LOOPBACK |
			 IPV6_ADDR_MAPPED));
}

/* Modifies the text. */
bool ivb_endpoint_parse(char *text, u8 *family, union nf_inet_addr *addr,
			__be16 *port)
{
	char *colon = strrchr(text, ':');
	bool brackets = text[0] == '[';
	u16 number;

	if (!colon)
		return false;
	*colon = '\0';
	if (brackets) {
		if (colon[-1] != ']')
			return false;
		colon[-1] = '\0';
		text++;
	}
	if (!ivb_address_parse(text, family, addr) ||
	    brackets != (*family == AF_INET6) ||
	    kstrtou16(colon + 1, 10, &number))
		return false;
	*port = htons(number);
	return true;
}

void ivb_endpoint_print(char *text, size_t size, u8 family,
			const union nf_inet_addr *addr, __be16 port)
{
	if (family == AF_INET6)
		snprintf(text, size, "[%pI6c]:%u", &addr->in6, ntohs(port));
	else
		snprintf(text, size, "%pI4:%u", &addr->ip, ntohs(port));
}

static const struct {
	const char *name;
	u8 protocol;
} protocols[] = {
	{ "tcp", IPPROTO_TCP },
	{ "udp", IPPROTO_UDP },
	{ "sctp", IPPROTO_SCTP },
};

bool ivb_protocol_parse(const char *name, u8 *protocol)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++)
		if (!strcmp(name, protocols[i].name)) {
			*protocol = protocols[i].protocol;
			return true;
		}
	return false;
}

const char *ivb_protocol_name(u8 protocol)
{
	int i;

	for (i = 0; i < ARRAY_SIZE(protocols); i++)
		if (protocols[i].protocol == protocol)
			return protocols[i].name;
	return "?";
}

/* Notes why a write is refused, and returns the code. line 0: no particular line caused
 * it. The words that the reason quotes may have any byte; a reader of text gets none that
 * a terminal or UTF-8 gives a meaning.
 */
int ivb_refuse(char *error, int code, unsigned int line, const char *format, ...)
{
	size_t used = 0;
	va_list args;
	char *byte;

	if (line)
		used = scnprintf(error, ERROR_SIZE, "line %u: ", line);
	va_start(args, format);
	vscnprintf(error + used, ERROR_SIZE - used, format, args);
	va_end(args);
	for (byte = error; *byte; byte++)
		if (!isascii(*byte) || !isprint(*byte))
			*byte = '?';
	return code;
}
