//! State machines as tables of events.

/// An event that is not possible in a state.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{event} is not possible in state {state}")]
pub(crate) struct NotNow {
    /// The state.
    pub(crate) state: &'static str,
    /// The event.
    pub(crate) event: &'static str,
}

/// Declares a state's events: `event(From | From => To, From => To);`. Every event is a method, and
/// `table()` lists the outcome of each event in each state for a snapshot test.
macro_rules! states {
    ($(#[$meta:meta])* $vis:vis enum $name:ident { $($(#[$vmeta:meta])* $state:ident),* $(,)? }
     $($(#[$emeta:meta])* $event:ident ( $($($from:ident)|+ => $to:ident),+ );)*) => {
        $(#[$meta])*
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        $vis enum $name { $($(#[$vmeta])* $state),* }

        impl $name {
            $(
                $(#[$emeta])*
                $vis fn $event(&mut self) -> Result<(), $crate::state::NotNow> {
                    *self = match self {
                        $($(Self::$from)|+ => Self::$to,)+
                        #[allow(unreachable_patterns)]
                        state => {
                            return Err($crate::state::NotNow { state: state.name(), event: stringify!($event) });
                        }
                    };
                    Ok(())
                }
            )*

            fn name(self) -> &'static str {
                match self { $(Self::$state => stringify!($state)),* }
            }

            #[cfg(test)]
            fn table() -> String {
                let mut lines = String::new();
                for state in [$(Self::$state),*] { $(
                    let mut next = state;
                    let outcome = next.$event().map_or("-", |()| next.name());
                    lines += &format!("{:8} {:10} {}\n", state.name(), stringify!($event), outcome);
                )* }
                lines
            }
        }
    };
}
pub(crate) use states;
