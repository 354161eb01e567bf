//! A reply before it goes out.

use serde_json::Value;

use super::faults::Body;

/// Status, headers and body, and how the body is to be sent.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// In the order they are sent.
    pub headers: Vec<(&'static str, String)>,
    /// As the CA means it.
    pub body: Vec<u8>,
    /// What becomes of it on the way, if anything.
    pub sent_as: Option<Body>,
    /// For the books: which problem it tells of.
    pub problem: Option<String>,
}

impl Reply {
    /// Without a body.
    pub fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new(), sent_as: None, problem: None }
    }

    /// Text of some kind.
    pub fn text(status: u16, content: &'static str, body: &str) -> Self {
        Self { body: body.as_bytes().to_vec(), ..Self::empty(status) }.content(content)
    }

    /// JSON.
    pub fn json(status: u16, json: &Value) -> Self {
        Self::text(status, "application/json", &json.to_string())
    }

    /// Says what the body is.
    pub fn content(self, kind: &'static str) -> Self {
        self.without("content-type").header("content-type", kind)
    }

    /// Adds a header.
    pub fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Names the problem for the books.
    pub fn about(mut self, problem: &str) -> Self {
        self.problem = Some(problem.to_owned());
        self
    }

    fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(there, _)| *there != name);
        self
    }
}
