//! Parse, dispatch, exit code.

fn main() -> std::process::ExitCode {
    keyturn::cli::main()
}
