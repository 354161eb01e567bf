//! Gives memory that is not needed any more back to the system.
//!
//! A look at thousands of assets, a start that replays their history, a page of the coming year: all of them take memory for a
//! moment. glibc keeps most of what is freed then, in arenas of every thread that took part, and a daemon that sleeps for
//! minutes holds on to several times what it needs. The same goes for the program itself: what of it has run once stays
//! mapped, two thirds of a text of 20 MiB after a start, of which a daemon at rest runs next to nothing.

/// Hands over to the system what is free, and unmaps the program's text, which comes back page by page as it is run. It takes
/// about a millisecond; where the allocator is another, or the system, it does less or nothing.
pub fn give_back() {
    #[cfg(all(target_os = "linux", target_env = "gnu"))]
    {
        // SAFETY of the declaration below: malloc_trim(3) takes any number, and may be called from any thread at any time.
        let _ = malloc_trim(0);
    }
    #[cfg(target_os = "linux")]
    text::unmap();
}

#[cfg(all(target_os = "linux", target_env = "gnu"))]
#[allow(unsafe_code)]
unsafe extern "C" {
    safe fn malloc_trim(pad: usize) -> std::ffi::c_int;
}

#[cfg(target_os = "linux")]
mod text {
    use std::ffi::c_void;
    use std::ops::Range;
    use std::ptr::NonNull;

    use nix::sys::mman::{MmapAdvise, madvise};

    /// Lets go of the pages that the program's text is mapped by. They stay in the page cache for as long as the system likes,
    /// and are mapped again where they are run.
    #[allow(unsafe_code)]
    pub(super) fn unmap() {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
        let Some(range) = around(&maps, unmap as *const () as usize) else { return };
        let Some(start) = NonNull::new(range.start as *mut c_void) else { return };
        // SAFETY: `around` gives a mapping that is private, of a file, and cannot be written to: what is dropped is what the file
        // has, and whoever runs or reads it next gets it from there.
        let _ = unsafe { madvise(start, range.len(), MmapAdvise::MADV_DONTNEED) };
    }

    /// The mapping around `address`, if it is the text of a program that lies in a file.
    fn around(maps: &str, address: usize) -> Option<Range<usize>> {
        maps.lines().find_map(|line| {
            let mut words = line.split_ascii_whitespace();
            let (range, access, path) = (words.next()?, words.next()?, words.nth(3)?);
            let (start, end) = range.split_once('-')?;
            let number = |text| usize::from_str_radix(text, 16).ok();
            let range = number(start)?..number(end)?;
            let is_text = access == "r-xp" && path.starts_with('/');
            (is_text && range.contains(&address)).then_some(range)
        })
    }

    #[cfg(test)]
    mod tests {
        use super::*;

        #[test]
        fn the_text_is_found_among_the_mappings_and_nothing_else_is_taken_for_it() {
            let maps = "\
55d0-55d8 r--p 00000000 fe:00 12 /usr/bin/keyturn
55d8-55e0 r-xp 00008000 fe:00 12 /usr/bin/keyturn
55e0-55e8 r--p 00010000 fe:00 12 /usr/bin/keyturn
7f00-7f08 rwxp 00000000 00:00 0
7f08-7f10 r-xp 00000000 00:00 0 [vdso]
";
            assert_eq!(around(maps, 0x55d9), Some(0x55d8..0x55e0));
            for other in [0x55d0, 0x55e0, 0x7f00, 0x7f08, 0x8000] {
                assert_eq!(around(maps, other), None, "{other:x}");
            }
        }

        /// How much of the program's own text is mapped, in KiB.
        fn mapped() -> usize {
            let all = std::fs::read_to_string("/proc/self/smaps").unwrap();
            let own = around(&all, unmap as *const () as usize).unwrap();
            let begins = format!("{:x}-{:x} ", own.start, own.end);
            let of_it = all.lines().skip_while(|line| !line.starts_with(&begins));
            let rss = of_it.skip(1).find_map(|line| line.strip_prefix("Rss:")).unwrap();
            rss.trim().trim_end_matches(" kB").parse().unwrap()
        }

        #[test]
        fn what_ran_is_let_go_and_runs_again() {
            let before = mapped();
            crate::memory::give_back();
            let after = mapped();
            assert!(after < before, "{before} KiB, then {after}");
            assert!(mapped() > 0);
        }
    }
}
