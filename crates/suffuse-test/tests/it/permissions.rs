//! Who may do what (behaviour: security §5; spec: services §B.5).

use suffuse_proto::{
    ErrorReason,
    service::{
        AddAndSetTopic, AddTopic, FetchQuery, ListGlobalPermissions, ListPathPermissions,
        RemoveTopics, SetTopic, Subscribe, Unsubscribe,
    },
    services::security::ListPathPermissionsRequest,
};
use suffuse_test::{
    Client, Sim, add, add_and_set, fetch, json, remove, select, set, specification,
};

fn sim() -> Sim {
    Sim::new()
        .with_topic("a", specification("json"), json("1"))
        .with_topic(
            "owned",
            specification("json").with("OWNER", r#"$Principal is "client""#),
            json("1"),
        )
}

#[test]
fn clients_read_but_do_not_add_update_or_remove() {
    for principal in ["", "client", "operator"] {
        let sim = sim();
        let mut bob = sim.connecting().principal(principal).connect();
        bob.ask::<Subscribe>(select("?.*//"));
        assert_eq!(bob.ask::<FetchQuery>(fetch("?.*//")).topics.len(), 2);
        let before = sim.values();
        bob.skip_all();

        bob.ask_refused::<AddTopic>(add("new", "json"), ErrorReason::ACCESS_DENIED);
        bob.ask_refused::<AddTopic>(add("a", "json"), ErrorReason::ACCESS_DENIED);
        bob.ask_refused::<AddAndSetTopic>(
            add_and_set("new", "json", json("2")),
            ErrorReason::ACCESS_DENIED,
        );
        bob.ask_refused::<AddAndSetTopic>(
            add_and_set("a", "json", json("2")),
            ErrorReason::ACCESS_DENIED,
        );
        bob.ask_refused::<SetTopic>(set("a", "json", json("2")), ErrorReason::ACCESS_DENIED);
        bob.ask_refused::<SetTopic>(set("none", "json", json("2")), ErrorReason::ACCESS_DENIED);
        assert_eq!(bob.ask::<RemoveTopics>(remove("a")).count, 0);

        bob.expect_nothing();
        assert_eq!(sim.values(), before);
    }
}

#[test]
fn the_owner_of_a_topic_reads_updates_and_removes_it() {
    let sim = sim();
    let mut owner = sim.connect_as("client");
    owner.ask::<SetTopic>(set("owned", "json", json("2")));
    assert_eq!(sim.value("owned"), Some(json("2")));
    owner.ask_refused::<SetTopic>(set("a", "json", json("2")), ErrorReason::ACCESS_DENIED);
    assert_eq!(
        owner.ask::<RemoveTopics>(remove("?.*//")).count,
        1,
        "its own topic, and no other"
    );
    assert_eq!(sim.values().into_keys().collect::<Vec<_>>(), ["a"]);
}

#[test]
fn nobody_owns_the_topics_of_an_empty_principal() {
    let owner = specification("json").with("OWNER", r#"$Principal is """#);
    let sim = Sim::new().with_topic("a", owner, json("1"));
    sim.connect()
        .ask_refused::<SetTopic>(set("a", "json", json("2")), ErrorReason::ACCESS_DENIED);
}

#[test]
fn sessions_without_roles_may_nothing() {
    let mut principals = suffuse_test::principals();
    principals.anonymous = Some(Default::default());
    let sim = Sim::with(suffuse_broker::Settings::default(), principals);
    let sim = sim.with_topic("a", specification("json"), json("1"));
    let mut bob = sim.connect();
    bob.ask_refused::<Subscribe>(select("a"), ErrorReason::ACCESS_DENIED);
    bob.ask_refused::<FetchQuery>(fetch("a"), ErrorReason::ACCESS_DENIED);
    bob.ask::<Unsubscribe>(select("a"));
    assert_eq!(bob.ask::<ListGlobalPermissions>(()).0, [].into());
    assert_eq!(path_permissions(&mut bob, "a"), [0_u8; 0]);
}

#[test]
fn topics_that_a_session_may_not_read_are_not_there_for_it() {
    let mut principals = suffuse_test::principals();
    // The role may select, by the permissions of operators, and read nothing outside of a branch.
    principals.anonymous = Some(["CLIENT".to_owned()].into());
    let sim = Sim::with(suffuse_broker::Settings::default(), principals);
    let mut bob = sim.connect();
    bob.ask_refused::<Subscribe>(select("?Diffusion//"), ErrorReason::ACCESS_DENIED);
    bob.ask_refused::<Subscribe>(select(">Diffusion/metrics"), ErrorReason::ACCESS_DENIED);
    bob.ask_refused::<FetchQuery>(fetch("?Diffusion//"), ErrorReason::ACCESS_DENIED);
    bob.ask::<Subscribe>(select("?.*//"));
    bob.ask::<Subscribe>(select("#>Diffusion/a////>b"));
    let mut operator = sim.connect_as("operator");
    operator.ask::<Subscribe>(select("?Diffusion//"));
    operator.ask::<FetchQuery>(fetch("?Diffusion//"));
}

#[test]
fn nobody_adds_to_the_branch_of_the_server() {
    let sim = sim();
    for principal in ["admin", "control", "client"] {
        let mut bob = sim.connect_as(principal);
        bob.ask_refused::<AddTopic>(add("Diffusion/x", "json"), ErrorReason::INVALID_TOPIC_PATH);
    }
}

fn path_permissions(client: &mut Client, path: &str) -> Vec<u8> {
    let request = ListPathPermissionsRequest {
        path: path.to_owned(),
    };
    client
        .ask::<ListPathPermissions>(request)
        .0
        .into_iter()
        .collect()
}

#[test]
fn a_session_can_list_its_permissions() {
    let sim = sim();
    let cases: [(&str, &[u8], &str, &[u8]); 9] = [
        ("", &[], "a/b", &[0, 3, 5]),
        ("", &[], "Diffusion/x", &[]),
        ("client", &[], "", &[0, 3, 5]),
        ("operator", &[1, 4], "Diffusion/x", &[0, 5]),
        ("operator", &[1, 4], "/a/", &[0, 3, 5]),
        (
            "control",
            &[0, 1, 2, 3, 9, 10],
            "a",
            &[0, 1, 2, 3, 4, 5, 8, 9],
        ),
        ("control", &[0, 1, 2, 3, 9, 10], "Diffusion", &[]),
        (
            "admin",
            &[0, 1, 2, 3, 4, 5, 6, 7, 9, 10],
            "a",
            &[0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 11],
        ),
        (
            "admin",
            &[0, 1, 2, 3, 4, 5, 6, 7, 9, 10],
            "Diffusion/x",
            &[0, 1, 2, 5],
        ),
    ];
    for (principal, global, path, at_path) in cases {
        let mut bob = sim.connecting().principal(principal).connect();
        let listed: Vec<_> = bob.ask::<ListGlobalPermissions>(()).0.into_iter().collect();
        assert_eq!(listed, global, "{principal}");
        assert_eq!(
            path_permissions(&mut bob, path),
            at_path,
            "{principal} {path}"
        );
    }
}
