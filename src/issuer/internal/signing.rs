//! The intermediate that has signed last: a pass with a thousand leaves reads its key and certificate once.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use super::template::Authority;
use crate::model::Secret;

/// Remembers one authority, by its certificate and key.
#[derive(Clone, Default)]
pub struct Signing(Arc<Mutex<Option<Ready>>>);

struct Ready {
    certificate: String,
    key: Secret,
    authority: Arc<Authority>,
}

impl Signing {
    /// The authority of this certificate and key; `read` is asked for it where it is not the last one.
    pub(super) fn get<E>(
        &self,
        certificate: &str,
        key: &Secret,
        read: impl FnOnce() -> Result<Authority, E>,
    ) -> Result<Arc<Authority>, E> {
        let mut last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(ready) = &*last
            && ready.certificate == certificate
            && ready.key.expose() == key.expose()
        {
            return Ok(Arc::clone(&ready.authority));
        }
        let authority = Arc::new(read()?);
        let ready = Ready {
            certificate: certificate.to_owned(),
            key: key.clone(),
            authority: Arc::clone(&authority),
        };
        *last = Some(ready);
        Ok(authority)
    }
}

impl fmt::Debug for Signing {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Signing(..)")
    }
}
