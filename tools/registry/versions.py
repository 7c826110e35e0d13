"""The versions of a model: annotated tags of git, as GTO makes and reads them."""

from typing import NamedTuple

from gto import api
from gto.constants import Action, fullname_re
from gto.exceptions import GTOException
from gto.tag import name_tag, parse_name
from gto.versions import SemVer
from scmrepo.exceptions import SCMError

from stages.runtime.errors import InputError
from tools.engine.programs import call
from tools.engine.repository import HERE, find_project


class Versions(NamedTuple):
    """Those of one model, the lowest first: all that ever had a tag, and those still in use."""

    all: list[str]
    in_use: list[str]


def name_artifact(run: str) -> str:
    """The name of a run's model for GTO, with the folder of a project that is not the root."""
    place = find_project()[1].as_posix()
    name = run if place == "." else f"{place}:{run}"
    if not fullname_re.fullmatch(name):
        raise InputError(
            f"{place}: GTO cannot name a model in this folder; use letters, digits, -, _ and . only"
        )
    return name


def tag_of(artifact: str, version: str) -> str:
    """The tag of a version."""
    return str(name_tag(Action.REGISTER, artifact, version=version, simple=True))


def read_versions(artifact: str) -> Versions:
    """The versions of a model that this clone has tags of."""
    found: dict[Action, set[str]] = {Action.REGISTER: set(), Action.DEREGISTER: set()}
    for tag in call(HERE, "git", "tag", "--list").splitlines():
        parsed = parse_name(tag, raise_on_fail=False)
        if parsed and parsed["name"] == artifact and parsed["action"] in found:
            found[parsed["action"]].add(parsed["version"])
    known = sorted(found[Action.REGISTER], key=SemVer)
    return Versions(known, [one for one in known if one not in found[Action.DEREGISTER]])


def require_next(version: str, known: Versions) -> str:
    """A version as GTO writes it, v1.2.0, if it is above all that are known.

    Raises:
        InputError: it is not, or is no semantic version (https://semver.org).
    """
    wanted = f"v{version.removeprefix('v')}"
    if not SemVer.is_valid(wanted):
        raise InputError(f"VERSION is {version!r}: write a semantic version, e.g. 1.2.0")
    if known.all and not SemVer(wanted) > SemVer(known.all[-1]):
        raise InputError(
            f"VERSION is {version}, but there is {known.all[-1]}: choose a higher one, e.g. "
            f"{SemVer(known.all[-1]).bump_minor().version}"
        )
    return wanted


def require_unregistered(artifact: str, known: Versions) -> None:
    """Raises an InputError if the current commit has a version of the model already."""
    tags = call(HERE, "git", "tag", "--points-at", "HEAD").splitlines()
    for version in known.in_use:
        if tag_of(artifact, version) in tags:
            raise InputError(
                f"this commit is {tag_of(artifact, version)}: nothing has changed since"
            )


def register(artifact: str, version: str, message: str) -> None:
    """Tags the current commit as a version.

    Raises:
        InputError: git does not know who tags.
    """
    root = find_project()[0]
    try:
        api.register(root, artifact, "HEAD", version, message)
    except (GTOException, SCMError) as error:
        raise InputError(f"{artifact} {version}: {error}") from None
