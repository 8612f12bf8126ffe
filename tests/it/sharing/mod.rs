//! Other programs on the same card.

mod isolation;
mod other_clients;
mod time_limits;
