//! The krsic command.

fn main() -> std::process::ExitCode {
    krsic::command::run()
}
