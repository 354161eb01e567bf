//! Who does something to the account behind Keyturn's back: with its key, over instant-acme.

use std::fs;
use std::future::Future;
use std::pin::Pin;

use http::Request;
use http_body_util::BodyExt;
use instant_acme::{Account, AccountCredentials, BodyWrapper, BytesResponse, Error, HttpClient};
use serde_json::Value;

use crate::support::{Keyturn, Pebble};

/// HTTPS to one CA.
struct Web(reqwest::Client);

impl HttpClient for Web {
    fn request(
        &self,
        request: Request<BodyWrapper<bytes::Bytes>>,
    ) -> Pin<Box<dyn Future<Output = Result<BytesResponse, Error>> + Send>> {
        let client = self.0.clone();
        Box::pin(async move {
            let (parts, body) = request.into_parts();
            let body = body
                .collect()
                .await
                .map_or_else(|_| bytes::Bytes::new(), http_body_util::Collected::to_bytes);
            let request = reqwest::Request::try_from(Request::from_parts(parts, body)).unwrap();
            let reply = client.execute(request).await.map_err(|error| Error::Other(Box::new(error)))?;
            Ok(BytesResponse::from(http::Response::<reqwest::Body>::from(reply)))
        })
    }
}

/// Deactivates the site's account (RFC 8555 §7.3.6).
pub(super) fn deactivate(keyturn: &Keyturn, pebble: &Pebble) {
    let accounts: Value = serde_json::from_slice(&keyturn.kept("acme-account/pebble")).unwrap();
    let credentials = accounts["by_server"][pebble.directory()]["credentials"].clone();
    let credentials: AccountCredentials = serde_json::from_value(credentials).unwrap();
    let root = reqwest::Certificate::from_pem(&fs::read(pebble.ca_file()).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_merge([root]).no_proxy().build().unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let builder = Account::builder_with_http(Box::new(Web(client)));
        builder.from_credentials(credentials).await.unwrap().deactivate().await.unwrap();
    });
}
