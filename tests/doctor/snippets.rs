//! `keyturn nginx-snippet`: NGINX takes what it prints, and `doctor` has nothing to say of the server that it makes.

use std::fs;
use std::net::TcpListener;
use std::process::{Child, Command};
use std::time::Duration;

use super::found;
use crate::support::{Keyturn, NGINX, Web, nginx_in, skip_without, wait_for};

struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.0.id().to_string()]).status();
        let _ = self.0.wait();
    }
}

/// A certificate with all that a server may read, delivered; and its port.
fn site() -> (Keyturn, u16) {
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let keyturn = Keyturn::alone();
    keyturn.write("state.key", &format!("{}=\n", "A".repeat(43)));
    let text = format!(
        r#"
[daemon]
instance = "test"
state_dir = "state"
state_key_file = "state.key"
[issuers.internal]
kind = "internal"
common_name = "Test CA"
crl = {{ lifetime = "30d" }}
[certificates.edge]
issuers = ["internal"]
dns_names = ["edge.test"]
private_key = {{ algorithm = "rsa-2048" }}
[[certificates.edge.targets]]
kind = "file"
dir = "{{dir}}/tls"
files = {{ "tls.crt" = "fullchain", "tls.key" = "private-key", "ca.crt" = "ca", "ca.crl" = "crl" }}
#verify = {{ connect = ["127.0.0.1:{port}"], server_name = "edge.test" }}
"#
    );
    // Nobody listens at first: there is nothing to be proven yet.
    let keyturn = keyturn.config(&text);
    keyturn.ok(&["run"]);
    (keyturn.config(&text.replace("#verify", "verify")), port)
}

fn serve(keyturn: &Keyturn, snippet: &str) -> Running {
    let text = format!(
        "daemon off; pid {{at}}/nginx.pid; error_log {{at}}/error.log;\nevents {{}}\nhttp {{ access_log off;\n\
         client_body_temp_path {{at}}/a; proxy_temp_path {{at}}/b; fastcgi_temp_path {{at}}/c; uwsgi_temp_path {{at}}/d; \
         scgi_temp_path {{at}}/e;\n{snippet}\n}}\n"
    );
    keyturn.write("nginx.conf", &text.replace("{at}", &keyturn.dir().display().to_string()));
    let tried =
        Command::new(NGINX).arg("-t").arg("-c").arg(keyturn.dir().join("nginx.conf")).output().unwrap();
    let said = String::from_utf8_lossy(&tried.stderr).into_owned();
    assert!(tried.status.success(), "{said}\n{snippet}");
    let complaints: Vec<&str> =
        said.lines().filter(|line| line.contains("[warn]") && !line.contains("\"user\" directive")).collect();
    assert!(complaints.is_empty(), "{complaints:?}\n{snippet}");
    let child = nginx_in(keyturn.dir()).spawn().unwrap();
    assert!(wait_for(Duration::from_secs(10), || keyturn.dir().join("nginx.pid").exists()));
    Running(child)
}

#[test]
fn nginx_takes_it_and_doctor_finds_nothing_wrong_with_it() {
    skip_without!(Web);
    let (keyturn, port) = site();
    let dh = "[dh_params.edge]\nsource = \"rfc7919\"\n[[dh_params.edge.targets]]\nkind = \"file\"\ndir = \"{dir}/tls\"\n\
              files = { \"dhparam.pem\" = \"dhparam\" }\n";
    for args in [&[][..], &["--profile", "modern"], &["--verify-clients"], &["--dhe"]] {
        if args.contains(&"--dhe") {
            let text = fs::read_to_string(keyturn.dir().join("keyturn.toml")).unwrap();
            let dh = dh.replace("{dir}", &keyturn.dir().display().to_string());
            keyturn.write("keyturn.toml", &format!("{text}{dh}"));
            keyturn.ok(&["run"]);
        }
        let snippet = keyturn.ok(&[&["nginx-snippet", "edge"], args].concat());
        assert!(snippet.contains(&format!("{port} ssl")), "{snippet}");
        assert_eq!(snippet.contains("ssl_dhparam"), args.contains(&"--dhe"), "{snippet}");
        assert_eq!(snippet.contains("ssl_crl"), args.contains(&"--verify-clients"), "{snippet}");
        let web = serve(&keyturn, &snippet);
        let well = wait_for(Duration::from_secs(10), || found(&keyturn, "tls").is_empty());
        assert!(well, "{args:?}: {:?}\n{snippet}", found(&keyturn, "tls"));
        drop(web);
    }
}

#[test]
fn what_it_cannot_print_it_says() {
    let (keyturn, _) = site();
    for (args, words) in [
        (&["--version", "1.9.0"][..], "older"),
        (&["--version", "new"], "1.22.1"),
        (&["--version", "1.18", "--openssl", "1.0.2", "--profile", "modern"], "TLS 1.3"),
        (&["--version", "1.18", "--dhe"], "dh_params"),
    ] {
        let ran = keyturn.run(&[&["nginx-snippet", "edge"], args].concat());
        assert_eq!(ran.code, Some(2), "{ran:#?}");
        assert!(ran.stderr.contains(words), "{args:?}: {}", ran.stderr);
    }
    let json = keyturn.ok(&["nginx-snippet", "edge", "--version", "1.27.0", "-o", "json"]);
    let json: serde_json::Value = serde_json::from_str(&json).unwrap();
    assert!(json["snippet"].as_str().unwrap().contains("http2"), "{json:#}");
    assert_eq!(json["openssl"], "1.1.1");
}
