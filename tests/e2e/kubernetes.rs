// SPDX-License-Identifier: GPL-2.0-only
//! The unmodified kube-proxy in IPVS mode with the files of docs/guides/kubernetes.md, next to a
//! real API server, under traffic.

mod cluster;

use crate::documents::{file_on_page, run_listed};
use crate::lab::{Lab, eventually, success};
use crate::requests::{Requests, servers_of};
use crate::rules::{native, peer, read};
use crate::talk::{Answer, Talk, answer};

use cluster::{Cluster, SERVER1, SERVER2, slice};

const PAGE: &str = "docs/guides/kubernetes.md";
const LOCAL_IP: &str = "10.2.0.100";

/// The text of a file on the page.
fn page(name: &str) -> String {
    file_on_page(PAGE, name)
}

/// kube-proxy's file on the page.
fn proxy() -> String {
    page("config.yaml")
}

/// A service on port 80, or 53 of UDP, whose spec has these further lines.
fn service(name: &str, cluster_ip: &str, ports: &str, more: &str) -> String {
    format!(
        "---\napiVersion: v1\nkind: Service\nmetadata: {{name: {name}}}\n\
         spec: {{clusterIP: {cluster_ip}, ports: [{{{ports}}}]{more}}}\n"
    )
}

fn rules_of_ipvs(lab: &Lab) -> String {
    lab.exec("director", &["ipvsadm", "-Sn"])
}

/// Waits until kube-proxy has put this server behind the service, as ipvsadm writes both.
fn comes(lab: &Lab, service: &str, server: &str) {
    let line = format!("-a {service} -r {server}");
    eventually(&line, || rules_of_ipvs(lab).contains(&line));
}

fn no_plan_line(lab: &Lab, toml: &str) {
    assert_eq!(success(&lab.with_file(&["plan"], toml)), "nothing to do\n");
}

/// A connection that has reached this server.
fn talk_with(lab: &Lab, to: (&str, u16), server: &str) -> (Talk, Answer) {
    for _ in 0..20 {
        let mut talk = Talk::new(lab, "tcp", to);
        let answer = talk.ask();
        if answer.server == server {
            assert_eq!(answer.peer, LOCAL_IP);
            return (talk, answer);
        }
    }
    panic!("no connection reaches {server}");
}

/// Checks that conntrack has what kube-proxy asks the API server, and no client.
fn nothing_is_tracked(lab: &Lab) {
    let tracked = lab.exec("director", &["cat", "/proc/net/nf_conntrack"]);
    assert!(
        tracked.contains("dst=10.0.2.2"),
        "the API server is not tracked: this proves nothing\n{tracked}"
    );
    for ours in ["10.1.0.2", LOCAL_IP, "10.96.0"] {
        assert!(!tracked.contains(ours), "{tracked}");
    }
    assert_eq!(native(lab), 0, "{}", read(lab, "stats"));
}

#[test]
#[ignore = "needs a built kube-proxy: make test-kubernetes"]
fn services_and_endpoints_come_and_go_under_traffic_and_all_of_it_is_full_nat() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab);
    let toml = page("lb.toml");
    lab.apply(&toml);
    cluster.start_proxy(&lab, &proxy());
    let (cluster_ip, node_port) = (("10.96.0.10", 80), ("10.1.0.1", 30080));
    // Its clients come before it does.
    let late = Requests::begin(&lab, cluster_ip);
    eventually("there is no service", || late.lines().len() > 3);
    let web = page("web.yaml");
    let both = slice("web", "TCP", 8080, &[SERVER1, SERVER2]);
    cluster.apply(&lab, &(web.clone() + &both));
    comes(&lab, "-t 10.96.0.10:80", "10.2.0.2:8080");
    comes(&lab, "-t 10.1.0.1:30080", "10.2.0.2:8080");
    comes(&lab, "-t 10.1.0.1:30080", "10.2.0.3:8080");
    assert_eq!(servers_of(&late.next(10)), ["server1", "server2"]);
    run_listed(&lab, PAGE, file!());
    let requests = Requests::begin(&lab, node_port);
    assert_eq!(servers_of(&requests.next(10)), ["server1", "server2"]);
    no_plan_line(&lab, &toml);

    // An endpoint goes. Its own connections last as long as it answers.
    let mut talks = [
        talk_with(&lab, cluster_ip, "server1"),
        talk_with(&lab, cluster_ip, "server2"),
        talk_with(&lab, node_port, "server1"),
        talk_with(&lab, node_port, "server2"),
    ];
    let mut all_go_on = || {
        for (talk, before) in &mut talks {
            assert_eq!(&talk.ask(), &*before);
        }
    };
    let only_second = |lab: &Lab| {
        eventually("the first endpoint takes no more connections", || {
            let rules = rules_of_ipvs(lab);
            let mut lines = rules.lines().filter(|line| line.contains("10.2.0.2:8080"));
            lines.all(|line| line.contains("-w 0"))
        });
    };
    cluster.apply(&lab, &slice("web", "TCP", 8080, &[SERVER2]));
    only_second(&lab);
    assert_eq!(servers_of(&requests.next(20)), ["server2"]);
    all_go_on();
    no_plan_line(&lab, &toml);

    cluster.apply(&lab, &both);
    eventually("the endpoint is back", || {
        !rules_of_ipvs(&lab).contains("-w 0")
    });
    assert_eq!(servers_of(&requests.next(20)), ["server1", "server2"]);
    all_go_on();

    // kube-proxy is away while an endpoint goes.
    cluster.stop_proxy();
    cluster.apply(&lab, &slice("web", "TCP", 8080, &[SERVER2]));
    assert_eq!(servers_of(&requests.next(20)), ["server1", "server2"]);
    all_go_on();
    cluster.start_proxy(&lab, &proxy());
    only_second(&lab);
    assert_eq!(servers_of(&requests.next(20)), ["server2"]);
    all_go_on();
    no_plan_line(&lab, &toml);

    // The service goes and comes again. Where its address is there before or after it, the
    // host itself refuses clients, which conntrack sees.
    nothing_is_tracked(&lab);
    drop(requests);
    cluster.kubectl(&lab, "delete service web");
    eventually("the service is gone", || {
        !rules_of_ipvs(&lab).contains("10.96.0.10:80")
    });
    no_plan_line(&lab, &toml);
    let failed = late.lines().len();
    eventually("its clients notice", || {
        late.lines()[failed..]
            .iter()
            .any(|line| line.starts_with("error:"))
    });
    cluster.apply(&lab, &(web + &both));
    comes(&lab, "-t 10.96.0.10:80", "10.2.0.2:8080");
    comes(&lab, "-t 10.96.0.10:80", "10.2.0.3:8080");
    assert_eq!(servers_of(&late.next(20)), ["server1", "server2"]);
    assert!(late.all_were_full_nat() > 40);
    no_plan_line(&lab, &toml);
    assert_eq!(native(&lab), 0, "{}", read(&lab, "stats"));
    drop(late);

    // Our commands leave the services of kube-proxy alone. It is stopped, because it removes
    // a server that came back with its service, a minute after that server once left, and
    // adds it again at its next look.
    comes(&lab, "-t 10.1.0.1:30080", "10.2.0.2:8080");
    comes(&lab, "-t 10.1.0.1:30080", "10.2.0.3:8080");
    cluster.stop_proxy();
    let before = rules_of_ipvs(&lab);
    success(&lab.ipvs_bpf(&["flush", "--yes"]));
    assert_eq!(rules_of_ipvs(&lab), before);
    assert_eq!(peer(&lab.get(&["http://10.96.0.10/"])), LOCAL_IP);
    success(&lab.ipvs_bpf(&["down"]));
    assert_eq!(rules_of_ipvs(&lab), before);
}

#[test]
#[ignore = "needs a built kube-proxy: make test-kubernetes"]
fn affinity_udp_and_external_traffic_policy_are_kube_proxys_as_without_full_nat() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab);
    let toml = page("lb.toml");
    lab.apply(&toml);
    cluster.start_proxy(&lab, &proxy());
    let all = [SERVER1, SERVER2];
    let objects = [
        service(
            "dns",
            "10.96.0.53",
            "port: 53, protocol: UDP, nodePort: 30053",
            ", type: NodePort",
        ),
        slice("dns", "UDP", 7, &all),
        service(
            "sticky",
            "10.96.0.20",
            "port: 80",
            ", sessionAffinity: ClientIP",
        ),
        slice("sticky", "TCP", 8080, &all),
        service(
            "local",
            "10.96.0.30",
            "port: 80, nodePort: 30030",
            ", type: NodePort, externalTrafficPolicy: Local",
        ),
        slice("local", "TCP", 8080, &all),
    ];
    cluster.apply(&lab, &objects.concat());
    for (service, port) in [
        ("-u 10.96.0.53:53", 7),
        ("-u 10.1.0.1:30053", 7),
        ("-t 10.96.0.20:80", 8080),
        ("-t 10.96.0.30:80", 8080),
    ] {
        comes(&lab, service, &format!("10.2.0.2:{port}"));
        comes(&lab, service, &format!("10.2.0.3:{port}"));
    }
    comes(&lab, "-t 10.1.0.1:30030", "10.2.0.2:8080");

    for to in [("10.96.0.53", 53), ("10.1.0.1", 30053)] {
        let answers = [0; 4].map(|_| answer(&lab.udp(to.0, to.1, "hello")));
        assert_eq!(servers_of(&answers), ["server1", "server2"]);
        assert!(answers.iter().all(|answer| answer.peer == LOCAL_IP));
    }
    let answers = |url: &str, number: usize| -> Vec<Answer> {
        let answers = (0..number).map(|_| answer(&lab.get(&[url])));
        let answers: Vec<Answer> = answers.collect();
        assert!(answers.iter().all(|answer| answer.peer == LOCAL_IP));
        answers
    };
    let sticky = answers("http://10.96.0.20/", 6);
    assert_eq!(servers_of(&sticky).len(), 1, "{sticky:?}");
    let local = answers("http://10.1.0.1:30030/", 6);
    assert_eq!(servers_of(&local), ["server1"]);
    let inside = answers("http://10.96.0.30/", 4);
    assert_eq!(servers_of(&inside), ["server1", "server2"]);
    no_plan_line(&lab, &toml);

    // The node's last endpoint goes: clients from outside are refused.
    cluster.apply(&lab, &slice("local", "TCP", 8080, &[SERVER2]));
    eventually("clients are refused", || {
        let words = ["curl", "-s", "-o", "/dev/null", "http://10.1.0.1:30030/"];
        // CURLE_COULDNT_CONNECT
        lab.try_exec("client", &words).status.code() == Some(7)
    });
    assert_eq!(servers_of(&answers("http://10.96.0.30/", 4)), ["server2"]);
    no_plan_line(&lab, &toml);
    nothing_is_tracked(&lab);
}

/// Commands for the rules that kubelet adds to the chain that kube-proxy leaves to it.
const KUBELET: &str = "\
    iptables -t nat -A KUBE-MARK-DROP -j MARK --or-mark 0x8000 && \
    iptables -N KUBE-FIREWALL && \
    iptables -A KUBE-FIREWALL -m mark --mark 0x8000/0x8000 -j DROP && \
    iptables -I INPUT -j KUBE-FIREWALL && iptables -I OUTPUT -j KUBE-FIREWALL";

#[test]
#[ignore = "needs a built kube-proxy: make test-kubernetes"]
fn source_ranges_and_masquerading_of_kube_proxy_end_where_a_rule_begins() {
    let lab = Lab::new();
    let mut cluster = Cluster::new(&lab);
    let at_all_addresses = proxy().replace("nodePortAddresses", "# nodePortAddresses");
    cluster.start_proxy(&lab, &at_all_addresses);
    let ranges = ", type: LoadBalancer, loadBalancerSourceRanges: [192.0.2.0/24]";
    let objects = service("shop", "10.96.0.40", "port: 80, nodePort: 30040", ranges)
        + &slice("shop", "TCP", 8080, &[SERVER1, SERVER2]);
    cluster.apply(&lab, &objects);
    cluster.set_load_balancer(&lab, "shop", "10.0.0.1");
    comes(&lab, "-t 10.0.0.1:80", "10.2.0.2:8080");
    // Every LoadBalancer has a NodePort too.
    let elsewhere = || rules_of_ipvs(&lab).contains("-A -t 10.2.0.1:30040");
    eventually("other addresses have NodePorts", elsewhere);
    cluster.stop_proxy();
    cluster.start_proxy(&lab, &proxy());
    eventually("other addresses have none", || !elsewhere());
    lab.exec("director", &["sh", "-ec", KUBELET]);
    // Packets that a chain of kube-proxy has marked.
    let marked_by = |chain: &str| {
        let words = ["iptables", "-t", "nat", "-vnxL", chain];
        let counters = lab.exec("director", &words);
        let line = counters.lines().nth(2).expect("a rule");
        line.split_whitespace()
            .next()
            .unwrap()
            .parse::<u64>()
            .unwrap()
    };
    let marked = || [marked_by("KUBE-MARK-DROP"), marked_by("KUBE-MARK-MASQ")];
    let times_out = || {
        let words = ["curl", "-s", "--max-time", "5", "http://10.0.0.1/"];
        // CURLE_OPERATION_TIMEDOUT
        lab.try_exec("client", &words).status.code() == Some(28)
    };
    // Without a rule the client is outside of the ranges.
    eventually("kube-proxy refuses the client", || {
        let [before, _] = marked();
        times_out() && marked()[0] > before
    });
    // And where it may, it comes with the node's address.
    comes(&lab, "-t 10.1.0.1:30040", "10.2.0.2:8080");
    let [_, before] = marked();
    let native = Requests::begin(&lab, ("10.1.0.1", 30040)).next(4);
    assert!(
        native.iter().all(|answer| answer.peer == "10.2.0.1"),
        "{native:?}"
    );
    assert!(marked()[1] > before);

    let toml = page("lb.toml");
    lab.apply(&toml);
    let before = marked();
    for url in ["http://10.0.0.1/", "http://10.1.0.1:30040/"] {
        assert_eq!(peer(&lab.get(&[url])), LOCAL_IP);
    }
    assert_eq!(marked(), before);
    no_plan_line(&lab, &toml);

    // The ranges of the page, where full NAT obeys them.
    lab.exec("director", &["nft", &page("guard.nft")]);
    assert!(times_out());
    let guard = lab.exec("director", &["nft", "list", "table", "ip", "guard"]);
    assert!(!guard.contains("counter packets 0"), "{guard}");
    lab.exec("director", &["nft", "delete", "table", "ip", "guard"]);
    assert_eq!(peer(&lab.get(&["http://10.0.0.1/"])), LOCAL_IP);
}
