// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes many flows fast.
 *
 *   flows udp ADDRESS PORT COUNT SOURCE FIRST_PORT
 *       one datagram from each of COUNT sources: ports FIRST_PORT to 65535 of
 *       SOURCE, then of the next address, and so on. The host need not have
 *       these addresses.
 *   flows tcp ADDRESS PORT COUNT SOURCE FIRST_PORT HOW
 *       COUNT connections, one after the other, from such ports of SOURCE,
 *       which the host has. HOW they end: "fin" as the server does it first,
 *       "rst" by a reset.
 *   flows serve PORT
 *       accepts connections and ends each when it has read something or the
 *       client is gone; says "ready" first.
 */
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/udp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

static struct sockaddr_in address_of(const char *address, unsigned int port)
{
	struct sockaddr_in result = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, address, &result.sin_addr) != 1)
		errx(2, "no IPv4 address: %s", address);
	return result;
}

/* The source of the flow with that number. */
static struct sockaddr_in source_of(const struct sockaddr_in *first, unsigned int number)
{
	unsigned int low = ntohs(first->sin_port), ports = 65536 - low;
	struct sockaddr_in source = *first;

	source.sin_addr.s_addr = htonl(ntohl(first->sin_addr.s_addr) + number / ports);
	source.sin_port = htons(low + number % ports);
	return source;
}

static void udp(const struct sockaddr_in *to, const struct sockaddr_in *first,
		unsigned int count)
{
	struct {
		struct iphdr ip;
		struct udphdr udp;
	} packet = {
		.ip = {
			.version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = IPPROTO_UDP,
			.daddr = to->sin_addr.s_addr,
		},
		/* A checksum of 0: none. */
		.udp = { .dest = to->sin_port, .len = htons(sizeof(struct udphdr)) },
	};
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		err(1, "raw socket");
	for (unsigned int i = 0; i < count; i++) {
		struct sockaddr_in source = source_of(first, i);

		packet.ip.saddr = source.sin_addr.s_addr;
		packet.udp.source = source.sin_port;
		while (sendto(fd, &packet, sizeof(packet), 0, (const void *)to,
			      sizeof(*to)) < 0)
			if (errno != ENOBUFS)
				err(1, "sending datagram %u", i);
	}
}

static void tcp(const struct sockaddr_in *to, const struct sockaddr_in *first,
		unsigned int count, int reset)
{
	const struct linger linger = { .l_onoff = 1 };
	const int on = 1;
	char byte = 'x';

	for (unsigned int i = 0; i < count; i++) {
		struct sockaddr_in source = source_of(first, i);
		int fd = socket(AF_INET, SOCK_STREAM, 0);

		if (fd < 0)
			err(1, "socket");
		setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
		if (reset)
			setsockopt(fd, SOL_SOCKET, SO_LINGER, &linger, sizeof(linger));
		if (bind(fd, (const void *)&source, sizeof(source)) ||
		    connect(fd, (const void *)to, sizeof(*to)))
			err(1, "connection %u", i);
		if (!reset && (write(fd, &byte, 1) != 1 || read(fd, &byte, 1)))
			err(1, "connection %u was not ended by the server", i);
		close(fd);
	}
}

static void serve(unsigned int port)
{
	struct sockaddr_in here = { .sin_family = AF_INET, .sin_port = htons(port) };
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	const int on = 1;

	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
	if (bind(fd, (const void *)&here, sizeof(here)) || listen(fd, 1024))
		err(1, "port %u", port);
	puts("ready");
	fflush(stdout);
	for (;;) {
		int connection = accept(fd, NULL, NULL);
		char byte;

		if (connection < 0)
			continue;
		(void)!read(connection, &byte, 1);
		close(connection);
	}
}

int main(int argc, char **argv)
{
	struct sockaddr_in to, first;
	unsigned int count;

	if (argc == 3 && !strcmp(argv[1], "serve"))
		serve(atoi(argv[2]));
	if (argc < 7)
		errx(2, "usage: see the head of lab/flows.c");
	to = address_of(argv[2], atoi(argv[3]));
	count = atoi(argv[4]);
	first = address_of(argv[5], atoi(argv[6]));
	if (argc == 7 && !strcmp(argv[1], "udp"))
		udp(&to, &first, count);
	else if (argc == 8 && !strcmp(argv[1], "tcp"))
		tcp(&to, &first, count, !strcmp(argv[7], "rst"));
	else
		errx(2, "usage: see the head of lab/flows.c");
	return 0;
}
