"""User data: what a droplet is born with, and nothing else."""

from __future__ import annotations

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from agent import keys
from fleet.errors import InvalidInput
from tasks import userdata

SECRET = keys.boot_secret("a token", "demo-prod-3f9a1c")


def test_a_droplet_gets_its_name_and_boot_secret_and_nothing_else() -> None:
    text = userdata.droplet_user_data("demo-prod-3f9a1c", SECRET)
    assert text.startswith("#cloud-config\n")
    assert yaml.safe_load(text) == {
        "write_files": [
            {
                "path": "/etc/deployer/droplet",
                "owner": "root:root",
                "permissions": "0644",
                "content": "demo-prod-3f9a1c\n",
            },
            {
                "path": "/etc/deployer/boot.key",
                "owner": "root:root",
                "permissions": "0600",
                "content": f"{SECRET}\n",
            },
        ]
    }


def test_a_droplet_to_bake_gets_both_ends_of_its_one_ssh_contact() -> None:
    bake_key, host_key = userdata.new_key_pair("bake"), userdata.new_key_pair("host")
    document = yaml.safe_load(userdata.bake_user_data(bake_key.public, host_key))
    assert document["ssh_keys"] == {"ed25519_private": host_key.private, "ed25519_public": host_key.public}
    assert document["ssh_authorized_keys"] == [bake_key.public]
    assert document["ssh_pwauth"] is False
    assert document["users"] == [{"name": "root", "lock_passwd": True, "ssh_authorized_keys": [bake_key.public]}]


def test_user_data_never_holds_the_private_bake_key() -> None:
    bake_key, host_key = userdata.new_key_pair("bake"), userdata.new_key_pair("host")
    body = bake_key.private.splitlines()[2]
    assert body not in userdata.bake_user_data(bake_key.public, host_key)


def test_printing_a_key_pair_shows_only_its_public_half() -> None:
    pair = userdata.new_key_pair("bake")
    assert pair.public in repr(pair)
    assert "PRIVATE" not in repr(pair)


def test_every_key_pair_is_a_new_one() -> None:
    assert userdata.new_key_pair("bake").public != userdata.new_key_pair("bake").public


@pytest.mark.parametrize("name", ["", "Demo", "demo_prod", "-demo", "a" * 64, "demo\n", "demo: x", "../x"])
def test_a_name_that_is_no_host_name_is_refused(name: str) -> None:
    with pytest.raises(InvalidInput, match="cannot name a droplet"):
        userdata.droplet_user_data(name, SECRET)


@pytest.mark.parametrize("secret", ["", "ab", "AB" * 32, "ab" * 32 + "\n"])
def test_a_malformed_boot_secret_is_refused_and_not_repeated(secret: str) -> None:
    with pytest.raises(InvalidInput, match="malformed") as caught:
        userdata.droplet_user_data("demo-prod-3f9a1c", secret)
    assert not secret or secret not in str(caught.value)


def test_user_data_over_the_providers_limit_is_refused() -> None:
    with pytest.raises(InvalidInput, match="limit is 65536 bytes"):
        userdata.bake_user_data("ssh-ed25519 " + "A" * userdata.LIMIT, userdata.new_key_pair("host"))


@given(st.text(max_size=300))
def test_whatever_a_public_key_holds_it_stays_one_value(public: str) -> None:
    host_key = userdata.KeyPair("private", "public")
    try:
        document = yaml.safe_load(userdata.bake_user_data(public, host_key))
    except yaml.YAMLError:
        return  # not representable: refused before it is sent
    assert set(document) == {
        "locale",
        "disable_root",
        "ssh_pwauth",
        "ssh_deletekeys",
        "ssh_keys",
        "ssh_authorized_keys",
        "users",
    }
