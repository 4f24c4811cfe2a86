// SPDX-License-Identifier: GPL-2.0-only
/*
 * Makes many flows fast.
 *
 *   flows udp ADDRESS PORT COUNT SOURCE FIRST_PORT
 *       one datagram from each of COUNT sources: ports FIRST_PORT to 65535 of
 *       SOURCE, then of the next address, and so on. The host need not have
 *       these addresses.
 *   flows syn ADDRESS PORT COUNT SOURCE FIRST_PORT
 *       one SYN from each of such sources.
 *   flows tcp ADDRESS PORT COUNT SOURCE FIRST_PORT HOW
 *       COUNT connections, one after the other, from such ports of SOURCE,
 *       which the host has. HOW they end: "fin" as the server does it first,
 *       "rst" by a reset.
 *   flows twice ADDRESS PORT COUNT
 *       COUNT flows to an echo, whose first two datagrams leave two processors
 *       at the same moment. A third one, later, has to be answered.
 *   flows serve PORT
 *       accepts connections and ends each when it has read something or the
 *       client is gone; says "ready" first.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <err.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

static struct sockaddr_in address_of(const char *address, unsigned int port)
{
	struct sockaddr_in result = { .sin_family = AF_INET, .sin_port = htons(port) };

	if (inet_pton(AF_INET, address, &result.sin_addr) != 1)
		errx(2, "no IPv4 address: %s", address);
	return result;
}

/* The source address and port of the flow with that number. */
static struct sockaddr_in source_of(const struct sockaddr_in *first, unsigned int number)
{
	unsigned int low = ntohs(first->sin_port), ports = 65536 - low;
	struct sockaddr_in source = *first;

	source.sin_addr.s_addr = htonl(ntohl(first->sin_addr.s_addr) + number / ports);
	source.sin_port = htons(low + number % ports);
	return source;
}

/* A packet without a socket: an IPv4 header, and one of these behind it. */
struct raw {
	struct iphdr ip;
	union {
		struct udphdr udp;
		struct tcphdr tcp;
	};
};

/* The checksum of a SYN without options, with its pseudo-header (RFC 9293). */
static unsigned short checksum_of(const struct raw *packet)
{
	const unsigned short *words = (const void *)&packet->tcp;
	const unsigned short *addresses = (const void *)&packet->ip.saddr;
	unsigned int sum = htons(IPPROTO_TCP) + htons(sizeof(packet->tcp));

	for (unsigned int i = 0; i < sizeof(packet->tcp) / 2; i++)
		sum += words[i];
	for (unsigned int i = 0; i < 4; i++)
		sum += addresses[i];
	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

static void set_source(struct raw *packet, const struct sockaddr_in *source)
{
	packet->ip.saddr = source->sin_addr.s_addr;
	if (packet->ip.protocol == IPPROTO_UDP) {
		packet->udp.source = source->sin_port;
		return;
	}
	packet->tcp.source = source->sin_port;
	packet->tcp.check = 0;
	packet->tcp.check = checksum_of(packet);
}

static void send_all(struct raw *packet, size_t size, const struct sockaddr_in *to,
		     const struct sockaddr_in *first, unsigned int count)
{
	int fd = socket(AF_INET, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		err(1, "raw socket");
	for (unsigned int i = 0; i < count; i++) {
		struct sockaddr_in source = source_of(first, i);

		set_source(packet, &source);
		while (sendto(fd, packet, sizeof(packet->ip) + size, 0, (const void *)to,
			      sizeof(*to)) < 0)
			if (errno != ENOBUFS)
				err(1, "sending packet %u", i);
	}
}

static struct raw raw_to(const struct sockaddr_in *to, unsigned char protocol)
{
	return (struct raw){
		.ip = {
			.version = 4,
			.ihl = 5,
			.ttl = 64,
			.protocol = protocol,
			.daddr = to->sin_addr.s_addr,
		},
	};
}

static void udp(const struct sockaddr_in *to, const struct sockaddr_in *first,
		unsigned int count)
{
	struct raw packet = raw_to(to, IPPROTO_UDP);

	/* A checksum of 0 means none. */
	packet.udp = (struct udphdr){ .dest = to->sin_port, .len = htons(sizeof(packet.udp)) };
	send_all(&packet, sizeof(packet.udp), to, first, count);
}

static void syn(const struct sockaddr_in *to, const struct sockaddr_in *first,
		unsigned int count)
{
	struct raw packet = raw_to(to, IPPROTO_TCP);

	packet.tcp = (struct tcphdr){
		.dest = to->sin_port,
		.doff = sizeof(packet.tcp) / 4,
		.syn = 1,
		.window = htons(8192),
	};
	send_all(&packet, sizeof(packet.tcp), to, first, count);
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

/* The state that the two processors share: the socket of the flow, and the number of
 * arrivals at the meeting point.
 */
static int flow;
static atomic_uint arrived;

static void meet(unsigned int round)
{
	atomic_fetch_add(&arrived, 1);
	while (atomic_load(&arrived) < 2 * round)
		;
}

static void run_on(unsigned int processor)
{
	cpu_set_t processors;

	CPU_ZERO(&processors);
	CPU_SET(processor, &processors);
	if (sched_setaffinity(0, sizeof(processors), &processors))
		err(1, "processor %u", processor);
}

static void send_at_once(unsigned int number)
{
	meet(2 * number + 1);
	if (send(flow, "first", 5, 0) != 5)
		err(1, "flow %u", number);
	meet(2 * number + 2);
}

static void *other_processor(void *count)
{
	run_on(1);
	for (unsigned int i = 0; i < *(unsigned int *)count; i++)
		send_at_once(i);
	return NULL;
}

static void ask(unsigned int number)
{
	const struct timeval patience = { .tv_sec = 10 };
	char text[200];
	ssize_t length;

	setsockopt(flow, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	if (send(flow, "third", 5, 0) != 5)
		err(1, "flow %u", number);
	do {
		length = recv(flow, text, sizeof(text) - 1, 0);
		if (length < 0)
			err(1, "flow %u has no answer", number);
		text[length] = '\0';
	} while (!strstr(text, "third"));
}

static void twice(const struct sockaddr_in *to, unsigned int count)
{
	int *flows = calloc(count, sizeof(*flows));
	pthread_t thread;

	if (!flows)
		err(1, "memory");
	if (pthread_create(&thread, NULL, other_processor, &count))
		errx(1, "no thread");
	run_on(0);
	for (unsigned int i = 0; i < count; i++) {
		flows[i] = flow = socket(AF_INET, SOCK_DGRAM, 0);
		if (flow < 0 || connect(flow, (const void *)to, sizeof(*to)))
			err(1, "flow %u", i);
		send_at_once(i);
	}
	pthread_join(thread, NULL);
	for (unsigned int i = 0; i < count; i++) {
		flow = flows[i];
		ask(i);
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
	if (argc == 5 && !strcmp(argv[1], "twice")) {
		to = address_of(argv[2], atoi(argv[3]));
		twice(&to, atoi(argv[4]));
		return 0;
	}
	if (argc < 7)
		errx(2, "usage: see the head of lab/net/flows.c");
	to = address_of(argv[2], atoi(argv[3]));
	count = atoi(argv[4]);
	first = address_of(argv[5], atoi(argv[6]));
	if (argc == 7 && !strcmp(argv[1], "udp"))
		udp(&to, &first, count);
	else if (argc == 7 && !strcmp(argv[1], "syn"))
		syn(&to, &first, count);
	else if (argc == 8 && !strcmp(argv[1], "tcp"))
		tcp(&to, &first, count, !strcmp(argv[7], "rst"));
	else
		errx(2, "usage: see the head of lab/net/flows.c");
	return 0;
}
