//! A real NGINX on this machine, with its own prefix, port and PID file, that serves `tls/tls.crt` of a folder.

use std::fs;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::time::Duration;

use super::certs::self_signed;
use super::engine::{pause, wait_for};
use super::keyturn::Keyturn;

/// Where Debian has it.
pub const NGINX: &str = "/usr/sbin/nginx";

/// Stopped when dropped.
#[derive(Debug)]
pub struct Web {
    child: Child,
    /// Of the machine's own addresses.
    pub port: u16,
}

impl Web {
    /// Why it cannot be started here, if it cannot.
    pub fn missing() -> Option<String> {
        (!Path::new(NGINX).exists()).then(|| "NGINX is not installed (nginx-light)".to_owned())
    }

    /// Serves `tls/tls.crt` and `tls/tls.key` of the site, where a self-signed pair of the operator's lies at first.
    pub fn start(keyturn: &Keyturn) -> Self {
        Self::with(keyturn, "")
    }

    /// The same, with more directives for its server; `{at}` in them is the site's folder.
    pub fn with(keyturn: &Keyturn, directives: &str) -> Self {
        let dir = keyturn.dir();
        let pair = self_signed("placeholder.test");
        fs::create_dir_all(dir.join("tls")).unwrap();
        fs::write(dir.join("tls/tls.crt"), pair.certificate).unwrap();
        fs::write(dir.join("tls/tls.key"), pair.key).unwrap();
        let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let pair = "ssl_certificate {at}/tls/tls.crt; ssl_certificate_key {at}/tls/tls.key;";
        configure(keyturn, &format!("listen 127.0.0.1:{port} ssl; {pair} {directives}\nreturn 200 ok;"));
        let child = nginx(dir).spawn().unwrap();
        assert!(wait_for(Duration::from_secs(10), || dir.join("nginx.pid").exists()));
        pause(Duration::from_millis(300));
        Self { child, port }
    }

    /// Where it is to be asked.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }
}

impl Drop for Web {
    fn drop(&mut self) {
        let _ = Command::new("kill").args(["-QUIT", &self.child.id().to_string()]).status();
        let _ = self.child.wait();
    }
}

/// Writes `nginx.conf` with one server; `{at}` in it is the site's folder.
pub fn configure(keyturn: &Keyturn, server: &str) -> PathBuf {
    let text = format!(
        "daemon off; master_process on; worker_processes 1; pid {{at}}/nginx.pid; error_log {{at}}/error.log;\n\
         events {{}}\nhttp {{ access_log off; client_body_temp_path {{at}}/a; proxy_temp_path {{at}}/b; \
         fastcgi_temp_path {{at}}/c; uwsgi_temp_path {{at}}/d; scgi_temp_path {{at}}/e;\nserver {{ {server} }} }}\n"
    );
    keyturn.write("nginx.conf", &text.replace("{at}", &keyturn.dir().display().to_string()))
}

/// NGINX on the configuration of `dir`, not yet run.
pub fn nginx(dir: &Path) -> Command {
    let mut command = Command::new(NGINX);
    command.arg("-c").arg(dir.join("nginx.conf")).arg("-e").arg(dir.join("start.log"));
    command
}
