//! The `krsic` command; see [`krsic::command`].

fn main() -> std::process::ExitCode {
    krsic::command::run()
}
