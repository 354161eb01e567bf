//! Gives memory that is free back to the system.
//!
//! A look at thousands of assets, a start that replays their history, a page of the coming year: all of them take memory for a
//! moment. glibc keeps most of what is freed then, in arenas of every thread that took part, and a daemon that sleeps for
//! minutes holds on to several times what it needs.

/// Hands over to the system what is free. It takes about a millisecond; where the allocator is another, nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        let _ = malloc_trim(0);
    }
}

// No safe crate has it.
#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
unsafe extern "C" {
    // SAFETY: malloc_trim(3) takes any number, and may be called from any thread at any time.
    safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
}
