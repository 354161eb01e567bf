//! What the kernel thinks of its clock (adjtimex(2), which neither nix nor rustix has).
#![allow(unsafe_code)]

use nix::libc;

/// Whether something keeps the clock right; `None` where the kernel may not be asked (a container's seccomp filter).
pub(super) fn is_synchronised() -> Option<bool> {
    // SAFETY: `timex` is plain numbers, for which zeros are valid; with `modes` 0 the call only fills it in.
    let (state, clock) = unsafe {
        let mut clock: libc::timex = std::mem::zeroed();
        (libc::adjtimex(&raw mut clock), clock)
    };
    (state >= 0).then_some(state != libc::TIME_ERROR && clock.status & libc::STA_UNSYNC == 0)
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_kernel_answers_twice_the_same() {
        assert_eq!(super::is_synchronised(), super::is_synchronised());
    }
}
