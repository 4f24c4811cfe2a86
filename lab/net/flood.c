// SPDX-License-Identifier: GPL-2.0-only
/*
 * Sends first packets of flows for ever, each from a random address and port.
 *
 *   flood udp|syn|init ADDRESS PORT SOURCES PORTS SEED [PAUSE]
 *       empty datagrams, SYNs of TCP or INITs of SCTP, of either family. SOURCES is
 *       a prefix, such as 198.18.0.0/15; the host need not have these addresses.
 *       PORTS is the first and the last port, such as 1024-65535. A seed always gives
 *       the same packets. After each 16 packets it sleeps for PAUSE microseconds.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <endian.h>
#include <err.h>
#include <errno.h>
#include <netinet/ip.h>
#include <netinet/ip6.h>
#include <netinet/tcp.h>
#include <netinet/udp.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct address {
	int family;
	size_t size;
	uint8_t bytes[16];
};

/* A range of source addresses and ports. */
struct sources {
	struct address prefix;
	unsigned int length; /* in bits */
	unsigned int first, last;
};

/* RFC 9260, sections 3.1 and 3.3.2. */
struct init {
	uint16_t source, dest;
	uint32_t tag;
	uint32_t checksum; /* little-endian */
	uint8_t type, flags;
	uint16_t length;
	uint32_t initiate_tag, window;
	uint16_t streams_out, streams_in;
	uint32_t tsn;
};

union transport {
	struct {
		uint16_t source, dest; /* at the same place in each protocol */
	};
	struct udphdr udp;
	struct tcphdr tcp;
	struct init init;
};

static uint64_t state;

/* xorshift64 of G. Marsaglia. */
static uint64_t next_random(void)
{
	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return state;
}

static struct address address_of(const char *text)
{
	struct address address = { .family = strchr(text, ':') ? AF_INET6 : AF_INET };

	address.size = address.family == AF_INET6 ? 16 : 4;
	if (inet_pton(address.family, text, address.bytes) != 1)
		errx(2, "no address: %s", text);
	return address;
}

static struct sources sources_of(char *prefix, const char *ports)
{
	struct sources sources;
	char *slash = strchr(prefix, '/');

	if (!slash)
		errx(2, "no prefix: %s", prefix);
	*slash = '\0';
	sources.prefix = address_of(prefix);
	sources.length = atoi(slash + 1);
	if (sscanf(ports, "%u-%u", &sources.first, &sources.last) != 2 ||
	    sources.first > sources.last || sources.last > 65535)
		errx(2, "no range of ports: %s", ports);
	return sources;
}

/* Replaces what follows the prefix by random bits. */
static struct address random_source(const struct sources *sources)
{
	struct address source = sources->prefix;

	for (unsigned int bit = sources->length; bit < 8 * source.size; bit++)
		if (next_random() >> 63)
			source.bytes[bit / 8] ^= 0x80 >> bit % 8;
	return source;
}

static uint32_t sum_of(const void *data, size_t size)
{
	const uint16_t *words = data;
	uint32_t sum = 0;

	for (size_t i = 0; i < size / 2; i++)
		sum += words[i];
	return sum;
}

/* The checksum of TCP and UDP, with the pseudo-header. */
static uint16_t checksum_of(const struct address *source, const struct address *to,
			    int protocol, const void *data, size_t size)
{
	uint32_t sum = sum_of(source->bytes, source->size) + sum_of(to->bytes, to->size) +
		       htons(protocol) + htons(size) + sum_of(data, size);

	sum = (sum & 0xffff) + (sum >> 16);
	return ~(sum + (sum >> 16));
}

static uint32_t crc32c(const void *data, size_t size)
{
	const uint8_t *bytes = data;
	uint32_t crc = ~0U;

	for (size_t i = 0; i < size; i++) {
		crc ^= bytes[i];
		for (int bit = 0; bit < 8; bit++)
			crc = crc >> 1 ^ (crc & 1 ? 0x82f63b78 : 0);
	}
	return ~crc;
}

/* Writes the packet behind the IP header. Returns its size. */
static size_t write_transport(union transport *packet, int protocol,
			      const struct address *source, unsigned int source_port,
			      const struct address *to, unsigned int port)
{
	size_t size;

	memset(packet, 0, sizeof(*packet));
	packet->source = htons(source_port);
	packet->dest = htons(port);
	switch (protocol) {
	case IPPROTO_UDP:
		size = sizeof(packet->udp);
		packet->udp.len = htons(size);
		packet->udp.check = checksum_of(source, to, protocol, packet, size);
		return size;
	case IPPROTO_TCP:
		size = sizeof(packet->tcp);
		packet->tcp.seq = next_random();
		packet->tcp.doff = size / 4;
		packet->tcp.syn = 1;
		packet->tcp.window = htons(8192);
		packet->tcp.check = checksum_of(source, to, protocol, packet, size);
		return size;
	default:
		size = sizeof(packet->init);
		packet->init.type = 1;
		packet->init.length = htons(size - offsetof(struct init, type));
		packet->init.initiate_tag = next_random() | 1;
		packet->init.window = htonl(65536);
		packet->init.streams_out = packet->init.streams_in = htons(1);
		packet->init.tsn = next_random();
		packet->init.checksum = htole32(crc32c(packet, size));
		return size;
	}
}

/* Writes the IP header. Returns its size. */
static size_t write_ip(uint8_t *packet, int protocol, const struct address *source,
		       const struct address *to, size_t payload)
{
	if (to->family == AF_INET6) {
		struct ip6_hdr header = {
			.ip6_flow = htonl(6U << 28),
			.ip6_plen = htons(payload),
			.ip6_nxt = protocol,
			.ip6_hlim = 64,
		};

		memcpy(&header.ip6_src, source->bytes, 16);
		memcpy(&header.ip6_dst, to->bytes, 16);
		memcpy(packet, &header, sizeof(header));
		return sizeof(header);
	}
	/* The kernel fills in length and checksum. */
	struct iphdr header = { .version = 4, .ihl = 5, .ttl = 64, .protocol = protocol };

	memcpy(&header.saddr, source->bytes, 4);
	memcpy(&header.daddr, to->bytes, 4);
	memcpy(packet, &header, sizeof(header));
	return sizeof(header);
}

static int connected(const struct address *to)
{
	struct sockaddr_in in = { .sin_family = AF_INET };
	struct sockaddr_in6 in6 = { .sin6_family = AF_INET6 };
	int fd = socket(to->family, SOCK_RAW, IPPROTO_RAW);

	if (fd < 0)
		err(1, "raw socket");
	memcpy(&in.sin_addr, to->bytes, sizeof(in.sin_addr));
	memcpy(&in6.sin6_addr, to->bytes, sizeof(in6.sin6_addr));
	if (to->family == AF_INET6 ? connect(fd, (void *)&in6, sizeof(in6)) :
				     connect(fd, (void *)&in, sizeof(in)))
		err(1, "connect");
	return fd;
}

static void flood(int protocol, const struct address *to, unsigned int port,
		  const struct sources *sources, unsigned int pause)
{
	int fd = connected(to);

	for (unsigned int i = 1;; i++) {
		struct address source = random_source(sources);
		unsigned int span = sources->last - sources->first + 1;
		uint8_t packet[sizeof(struct ip6_hdr) + sizeof(union transport)];
		union transport transport;
		size_t head, size;

		size = write_transport(&transport, protocol, &source,
				       sources->first + (next_random() >> 32) % span, to,
				       port);
		head = write_ip(packet, protocol, &source, to, size);
		memcpy(packet + head, &transport, size);
		while (send(fd, packet, head + size, 0) < 0)
			if (errno != ENOBUFS)
				err(1, "sending packet %u", i);
		if (pause && !(i % 16))
			usleep(pause);
	}
}

static int protocol_of(const char *kind)
{
	if (!strcmp(kind, "udp"))
		return IPPROTO_UDP;
	if (!strcmp(kind, "syn"))
		return IPPROTO_TCP;
	if (!strcmp(kind, "init"))
		return IPPROTO_SCTP;
	errx(2, "no kind of packet: %s", kind);
}

int main(int argc, char **argv)
{
	struct sources sources;
	struct address to;

	if (argc < 7)
		errx(2, "usage: see the head of lab/net/flood.c");
	to = address_of(argv[2]);
	sources = sources_of(argv[4], argv[5]);
	if (sources.prefix.family != to.family || sources.length > 8 * to.size)
		errx(2, "no prefix of the same family: %s", argv[4]);
	state = strtoull(argv[6], NULL, 10) * 2 + 1; /* never 0 */
	flood(protocol_of(argv[1]), &to, atoi(argv[3]), &sources, argc > 7 ? atoi(argv[7]) : 0);
}
