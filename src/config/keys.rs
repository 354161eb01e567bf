//! `[keys]`.

/// `[keys]`: what is made beforehand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Keys {
    pub(super) stock: usize,
}

impl Keys {
    /// So many RSA keys and DH parameters of each kind that the site uses are kept ready; 0 to 16.
    pub fn stock(&self) -> usize {
        self.stock
    }
}
