//! acme-dns as its documentation has it (github.com/joohoi/acme-dns): `POST /register` and `POST /update`, and the last two
//! values of each name in a zone of a real BIND.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::dns::Bind;

/// The zone of BIND that it writes to.
const ZONE: &str = "auth.test";

#[derive(Debug, Default)]
struct Book {
    /// The last two values of each subdomain.
    values: BTreeMap<String, Vec<String>>,
    registered: usize,
    updates: usize,
}

/// A running server; its thread ends with the test.
#[derive(Debug)]
pub struct AcmeDns {
    address: SocketAddr,
    book: Arc<Mutex<Book>>,
}

impl AcmeDns {
    /// In front of a BIND that has the zone `auth.test`.
    pub fn before(bind: Arc<Bind>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let (address, book) = (listener.local_addr().unwrap(), Arc::<Mutex<Book>>::default());
        let kept = Arc::clone(&book);
        std::thread::spawn(move || {
            for stream in listener.incoming().map_while(Result::ok) {
                // A client that goes away is no concern of the others.
                let _ = answer(stream, &kept, &bind);
            }
        });
        Self { address, book }
    }

    /// Its address, for `server`.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// How many accounts were made.
    pub fn registered(&self) -> usize {
        self.book.lock().unwrap().registered
    }

    /// How many values were written.
    pub fn updates(&self) -> usize {
        self.book.lock().unwrap().updates
    }
}

fn answer(stream: TcpStream, book: &Mutex<Book>, bind: &Bind) -> std::io::Result<()> {
    let mut reader = BufReader::new(&stream);
    let (mut line, mut headers) = (String::new(), BTreeMap::new());
    reader.read_line(&mut line)?;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header)?;
        let Some((name, value)) = header.trim().split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let length = headers.get("content-length").and_then(|length| length.parse().ok()).unwrap_or(0);
    let mut body = vec![0; length];
    reader.read_exact(&mut body)?;
    let (status, reply) = match line.split(' ').nth(1) {
        Some("/register") => register(&mut book.lock().unwrap()),
        Some("/update") => update(
            &mut book.lock().unwrap(),
            bind,
            &headers,
            &serde_json::from_slice(&body).unwrap_or_default(),
        ),
        _ => ("404 Not Found", json!({})),
    };
    let text = reply.to_string();
    write!(
        &stream,
        "HTTP/1.1 {status}\r\nContent-Type: application/json\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{text}",
        text.len()
    )
}

fn register(book: &mut Book) -> (&'static str, Value) {
    book.registered += 1;
    let subdomain = format!("sub-{}", book.registered);
    let account = json!({
        "username": format!("user-{subdomain}"), "password": format!("password-{subdomain}"),
        "fulldomain": format!("{subdomain}.{ZONE}"), "subdomain": subdomain, "allowfrom": [],
    });
    book.values.insert(subdomain, Vec::new());
    ("201 Created", account)
}

fn update(
    book: &mut Book,
    bind: &Bind,
    headers: &BTreeMap<String, String>,
    body: &Value,
) -> (&'static str, Value) {
    let (Some(subdomain), Some(txt)) = (body["subdomain"].as_str(), body["txt"].as_str()) else {
        return ("400 Bad Request", json!({ "error": "malformed_json_payload" }));
    };
    let sent = |name: &str| headers.get(name).cloned().unwrap_or_default();
    let known = sent("x-api-user") == format!("user-{subdomain}")
        && sent("x-api-key") == format!("password-{subdomain}");
    let Some(values) = book.values.get_mut(subdomain).filter(|_| known) else {
        return ("401 Unauthorized", json!({ "error": "forbidden" }));
    };
    if txt.len() != 43 {
        return ("400 Bad Request", json!({ "error": "bad_txt" }));
    }
    values.push(txt.to_owned());
    while values.len() > 2 {
        values.remove(0);
    }
    book.updates += 1;
    let name = format!("{subdomain}.{ZONE}.");
    let adds: Vec<String> = values.iter().map(|value| format!("\nadd {name} 1 TXT \"{value}\"")).collect();
    let ran = bind.update(&format!("del {name} TXT{}", adds.concat()));
    assert!(ran.ok(), "{ran:#?}");
    ("200 OK", json!({ "txt": txt }))
}
