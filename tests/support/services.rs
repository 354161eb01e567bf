//! Services as a site has them before Keyturn touches them.

use super::Engine;
use super::certs::{FFDHE2048, Pair, TlsFiles, self_signed};
use super::images::{busybox_image, nginx_image};

/// An NGINX that ends TLS on a port of the engine's network, as a Swarm service.
///
/// Two replicas share the port (`reuseport`), new tasks start first, and old ones end with SIGQUIT:
/// the one way to replace them without losing a connection on this network.
#[derive(Debug, Clone)]
pub struct Nginx {
    name: String,
    port: u16,
    replicas: usize,
    global: bool,
    files: Option<TlsFiles>,
    with_dhparam: bool,
    asks_clients: bool,
    args: Vec<String>,
}

impl Nginx {
    /// A service `name` on `port`, with self-signed placeholder secrets of its own.
    pub fn new(name: &str, port: u16) -> Self {
        let files = TlsFiles { pair: self_signed("placeholder.test"), dhparam: FFDHE2048.to_owned() };
        Self {
            name: name.to_owned(),
            port,
            replicas: 2,
            global: false,
            files: Some(files),
            with_dhparam: false,
            asks_clients: false,
            args: Vec::new(),
        }
    }

    /// How many tasks; two where nothing is said.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// One task on every node, of which a test has one.
    pub fn global(self) -> Self {
        Self { replicas: 1, global: true, ..self }
    }

    /// Serves this pair at first.
    pub fn pair(mut self, pair: Pair) -> Self {
        self.files = Some(TlsFiles { pair, dhparam: FFDHE2048.to_owned() });
        self
    }

    /// No secret at all: its tasks fail until Keyturn brings them.
    pub fn without_secrets(mut self) -> Self {
        self.files = None;
        self
    }

    /// Its configuration names `dhparam.pem` too.
    pub fn with_dhparam(mut self) -> Self {
        self.with_dhparam = true;
        self
    }

    /// Lets only clients in whose certificates `ca.crt` has the root of, and that no list of `ca.crl` has.
    pub fn asking_clients(self) -> Self {
        Self { asks_clients: true, ..self }
    }

    /// More arguments for `docker service create`: `--update-failure-action`, `--update-monitor`,
    /// `--label`, `--env`, `--constraint`, …; a later one of the same name wins.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Where it listens, inside the engine's network.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The SHA-256 of the leaf that it serves at first.
    pub fn fingerprint(&self) -> &str {
        self.files.as_ref().map_or("", |files| &files.pair.fingerprint)
    }

    /// Creates it and, if it has its secrets, waits until all of its tasks run.
    pub fn create(self, engine: &Engine) -> Self {
        let image = nginx_image(engine);
        let config = format!("{}.conf", self.name);
        engine.feed(["config", "create", &config, "-"], self.configuration().as_bytes());
        let mut create = vec![
            if self.global { "--mode=global".to_owned() } else { format!("--replicas={}", self.replicas) },
            "--network=host".to_owned(),
            "--stop-signal=SIGQUIT".to_owned(),
            "--stop-grace-period=5s".to_owned(),
            "--restart-delay=1s".to_owned(),
            "--update-order=start-first".to_owned(),
            "--update-monitor=2s".to_owned(),
            "--update-failure-action=rollback".to_owned(),
            "--rollback-order=start-first".to_owned(),
            "--rollback-monitor=2s".to_owned(),
            format!("--config=source={config},target=/etc/nginx/conf.d/tls.conf"),
        ];
        create.extend(self.placeholders(engine));
        create.extend(self.args.iter().cloned());
        create_service(engine, &self.name, &create, &image, &[]);
        if self.files.is_some() {
            engine.wait_running(&self.name, self.replicas);
        }
        self
    }

    fn configuration(&self) -> String {
        let dhparam = if self.with_dhparam { "ssl_dhparam /run/secrets/dhparam.pem;" } else { "" };
        let clients = if self.asks_clients {
            "ssl_verify_client on; ssl_verify_depth 4; ssl_client_certificate /run/secrets/ca.crt; ssl_crl /run/secrets/ca.crl;"
        } else {
            ""
        };
        format!(
            "server {{ listen {} ssl reuseport; server_name _; ssl_protocols TLSv1.2 TLSv1.3;
  ssl_certificate /run/secrets/tls.crt; ssl_certificate_key /run/secrets/tls.key; {dhparam} {clients}
  location / {{ return 200 \"$hostname $pid\\n\"; }} }}\n",
            self.port
        )
    }

    /// Makes the secrets that were there before; the arguments that mount them.
    fn placeholders(&self, engine: &Engine) -> Vec<String> {
        let Some(files) = &self.files else {
            return Vec::new();
        };
        let mut all = vec![("tls.crt", &files.pair.certificate), ("tls.key", &files.pair.key)];
        if self.with_dhparam {
            all.push(("dhparam.pem", &files.dhparam));
        }
        let mount = |(target, text): (&str, &String)| {
            let source = format!("{}-placeholder-{target}", self.name);
            engine.feed(["secret", "create", &source, "-"], text.as_bytes());
            format!("--secret=source={source},target={target}")
        };
        all.into_iter().map(mount).collect()
    }
}

/// Any command of busybox as a service: a signer that sleeps, a verifier that serves its JWKS.
#[derive(Debug, Clone)]
pub struct Plain {
    name: String,
    replicas: usize,
    args: Vec<String>,
    command: Vec<String>,
}

impl Plain {
    /// A service that sleeps.
    pub fn sleeping(name: &str) -> Self {
        // As PID 1, `sleep` itself ignores SIGTERM; the shell's trap makes it stop at once.
        Self::running(name, "trap 'exit 0' TERM; while :; do sleep 1 & wait $!; done")
    }

    /// A service that serves the files under `folder` by HTTP on `port` of the engine's network.
    pub fn serving(name: &str, folder: &str, port: u16) -> Self {
        let script = format!(
            "trap 'exit 0' TERM; httpd -p 127.0.0.1:{port} -h {folder}; while :; do sleep 1 & wait $!; done"
        );
        Self::running(name, &script).args(["--network=host"])
    }

    /// A service of one replica that runs a shell script.
    pub fn running(name: &str, script: &str) -> Self {
        let command = ["/bin/sh", "-c", script].map(str::to_owned).to_vec();
        Self { name: name.to_owned(), replicas: 1, args: Vec::new(), command }
    }

    /// How many tasks; one where nothing is said.
    pub fn replicas(mut self, replicas: usize) -> Self {
        self.replicas = replicas;
        self
    }

    /// More arguments for `docker service create`.
    pub fn args<S: AsRef<str>>(mut self, args: impl IntoIterator<Item = S>) -> Self {
        self.args.extend(args.into_iter().map(|arg| arg.as_ref().to_owned()));
        self
    }

    /// Creates it and waits until its tasks run.
    pub fn create(self, engine: &Engine) -> Self {
        let mut args = vec![format!("--replicas={}", self.replicas), "--restart-delay=1s".to_owned()];
        args.extend(self.args.iter().cloned());
        create_service(engine, &self.name, &args, &busybox_image(engine), &self.command);
        engine.wait_running(&self.name, self.replicas);
        self
    }

    /// The service's name.
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn create_service(engine: &Engine, name: &str, args: &[String], image: &str, command: &[String]) {
    // Without --no-resolve-image the client asks a registry for the digest of what is only here.
    let fixed =
        ["service", "create", "--quiet", "--detach", "--no-resolve-image", "--name", name].map(str::to_owned);
    engine.ok(fixed.iter().chain(args).chain([&image.to_owned()]).chain(command));
}
