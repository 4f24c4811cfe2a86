// SPDX-License-Identifier: GPL-2.0-only
//! A cluster of one node, the director: kube-proxy runs there, and the API server behind a
//! network card of the machine (`lab/software/kubernetes.sh run`). The servers of the lab are
//! its pods.

use std::fs::{self, File};
use std::io::Write;
use std::process::{Child, Command, Stdio};
use std::sync::{Mutex, MutexGuard};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::lab::{Lab, eventually, run};

/// There is one network card, and one API server.
static ALONE: Mutex<()> = Mutex::new(());

pub struct Cluster {
    folder: TempDir,
    proxy: Option<Child>,
    _alone: MutexGuard<'static, ()>,
}

/// An endpoint of a slice: the address of a server and the node that it is on.
pub type Endpoint<'a> = (&'a str, &'a str);

/// The keys that only the lab needs: name and address of the node, limits of conntrack that only the first
/// network namespace has, and no waiting for the next full comparison.
const LAB_CONFIG: &str = "\
hostnameOverride: node1
bindAddress: 10.1.0.1
conntrack: {maxPerCore: 0, tcpEstablishedTimeout: 0s, tcpCloseWaitTimeout: 0s}
ipvs: {syncPeriod: 10s}
clientConnection:
";

pub const SERVER1: Endpoint = ("10.2.0.2", "node1");
pub const SERVER2: Endpoint = ("10.2.0.3", "node2");

impl Cluster {
    /// No service of another test is left. kube-proxy does not run yet.
    pub fn new(lab: &Lab) -> Self {
        let alone = ALONE.lock().unwrap_or_else(|error| error.into_inner());
        run(Command::new("modprobe").arg("virtio_net"));
        let mut card = None;
        eventually("a network card is there: LAB=kubernetes", || {
            card = card_of_the_machine();
            card.is_some()
        });
        let director = lab.namespace("director");
        let card = card.unwrap();
        run(Command::new("ip").args(["link", "set", &card, "netns", &director, "name", "api"]));
        lab.exec("director", &["ip", "link", "set", "api", "up"]);
        lab.exec(
            "director",
            &["ip", "addr", "add", "10.0.2.15/24", "dev", "api"],
        );
        let cluster = Cluster {
            folder: tempfile::tempdir().unwrap(),
            proxy: None,
            _alone: alone,
        };
        cluster.kubectl(lab, "delete services,endpointslices --all");
        let node = "apiVersion: v1\nkind: Node\nmetadata: {name: node1}\n";
        cluster.apply(lab, node);
        cluster
    }

    /// Runs kubectl, which must succeed.
    pub fn kubectl(&self, lab: &Lab, words: &str) -> String {
        let words: Vec<&str> = words.split(' ').collect();
        lab.exec("director", &[&["kubectl"], &words[..]].concat())
    }

    /// `kubectl apply` of objects.
    pub fn apply(&self, lab: &Lab, yaml: &str) {
        let path = self.folder.path().join("objects.yaml");
        fs::write(&path, yaml).unwrap();
        self.kubectl(
            lab,
            &format!("apply --validate=false -f {}", path.display()),
        );
    }

    /// Starts kube-proxy with the page's file.
    pub fn start_proxy(&mut self, lab: &Lab, config: &str) {
        let kubeconfig = std::env::var("KUBECONFIG").expect("LAB=kubernetes");
        let path = self.folder.path().join("config.yaml");
        let of_the_lab = format!("{config}{LAB_CONFIG}  kubeconfig: {kubeconfig}\n");
        fs::write(&path, of_the_lab).unwrap();
        let log = File::options()
            .create(true)
            .append(true)
            .open(self.folder.path().join("log"))
            .unwrap();
        let path = path.to_str().unwrap();
        let words = ["kube-proxy", "--v=2", "--config", path];
        let mut command = lab.command("director", &words);
        command.stdout(Stdio::null()).stderr(log);
        self.proxy = Some(command.spawn().unwrap());
    }

    /// Stops kube-proxy as a service manager does. Its services stay.
    pub fn stop_proxy(&mut self) {
        let mut proxy = self.proxy.take().expect("kube-proxy runs");
        kill(Pid::from_raw(proxy.id() as i32), Signal::SIGTERM).unwrap();
        proxy.wait().unwrap();
    }

    pub fn log(&self) -> String {
        fs::read_to_string(self.folder.path().join("log")).unwrap_or_default()
    }

    /// Sets the address of a LoadBalancer, as the program of a cloud does.
    pub fn set_load_balancer(&self, lab: &Lab, name: &str, address: &str) {
        let path = self.folder.path().join("status.json");
        let raw = format!("/api/v1/namespaces/default/services/{name}");
        let text = self.kubectl(lab, &format!("get --raw {raw}"));
        let mut service: serde_json::Value = serde_json::from_str(&text).unwrap();
        service["status"] = serde_json::json!({"loadBalancer": {"ingress": [{"ip": address}]}});
        let mut file = File::create(&path).unwrap();
        file.write_all(service.to_string().as_bytes()).unwrap();
        let words = format!("replace --raw {raw}/status -f {}", path.display());
        self.kubectl(lab, &words);
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("kube-proxy:\n{}", self.log());
        }
        if let Some(mut proxy) = self.proxy.take() {
            let _ = proxy.kill();
            let _ = proxy.wait();
        }
    }
}

/// The name of the network card, which comes back when a director's namespace ends.
fn card_of_the_machine() -> Option<String> {
    let cards = fs::read_dir("/sys/class/net").unwrap().flatten();
    let mut cards = cards.filter(|card| card.path().join("device/driver").exists());
    Some(cards.next()?.file_name().into_string().unwrap())
}

/// The endpoints of a service, for `kubectl apply`. No controller runs in the lab.
pub fn slice(service: &str, protocol: &str, port: u16, endpoints: &[Endpoint]) -> String {
    let lines = endpoints.iter().map(|(address, node)| {
        format!(
            "- addresses: [\"{address}\"]\n  conditions: {{ready: true}}\n  \
             topology: {{kubernetes.io/hostname: {node}}}\n"
        )
    });
    let endpoints = match endpoints {
        [] => "endpoints: []\n".to_owned(),
        _ => format!("endpoints:\n{}", lines.collect::<String>()),
    };
    format!(
        "---\napiVersion: discovery.k8s.io/v1beta1\nkind: EndpointSlice\n\
         metadata: {{name: {service}, labels: {{kubernetes.io/service-name: {service}}}}}\n\
         addressType: IPv4\n\
         ports: [{{name: \"\", protocol: {protocol}, port: {port}}}]\n{endpoints}"
    )
}
