"""A decision that is to be carried out: its record, and the environment and droplet that it is about."""

from __future__ import annotations

from dataclasses import dataclass, field

from prefect import get_run_logger

from blocks.environment import Environment
from blocks.service import Service
from fleet import naming
from fleet.errors import DeployerError, InvalidInput, PermanentError
from fleet.remediation import limits, moments
from fleet.remediation.actions import Action
from fleet.remediation.advance import Outcome
from fleet.remediation.decision import Decision
from fleet.remediation.folders import Folder
from fleet.remediation.records import DecisionRecord
from fleet.state import Droplet
from tasks import rolls
from tasks.healing import outcomes
from tasks.healing.outcomes import Overruled
from tasks.healing.settings import HealingSettings
from tasks.health import list_environments
from tasks.policy import step


@dataclass(frozen=True)
class Order:
    """A decision, and what it is about."""

    record: DecisionRecord = field(repr=False)
    environment: Environment = field(repr=False)
    folder: Folder = field(repr=False)
    droplet: Droplet | None
    """As the provider has it now; None: it says that there is none of this id."""

    @property
    def decision(self) -> Decision:
        """What was decided."""
        return self.record.decision

    @property
    def action(self) -> Action:
        """What is to be done."""
        return self.record.decision.action

    @property
    def container(self) -> str:
        """The service that it is about; empty: the droplet as a whole."""
        return self.record.decision.target.container

    @property
    def services(self) -> tuple[str, ...]:
        """The containers that it concerns: the target's own, or all that ran on the droplet."""
        return (self.container,) if self.container else self.record.state.droplet.services

    def the_droplet(self) -> Droplet:
        """The droplet.

        Raises:
            Overruled: it does not exist any more.
        """
        if self.droplet is None:
            raise Overruled(f"{self.decision.target.name} does not exist any more.")
        return self.droplet

    def service(self) -> Service:
        """The block of the service.

        Raises:
            PermanentError: there is none, so that what ran cannot be made again.
        """
        wanted = naming.service_of(self.container)
        found = next((one for one in rolls.list_services(self.environment) if one.name == wanted), None)
        if found is None:
            raise PermanentError(f"There is no Service block of {self.container}.", hint="Make it as it was deployed.")
        return found


@step("what was decided: {decision}", retries=2)
def open_order(decision: str) -> Order | None:
    """The decision of this name; None: it is over, so that nothing is to be done about it any more.

    Raises:
        NotFound: there is no record of it on this controller.
        InvalidInput: nothing was decided that could be carried out.
        PermanentError: its environment has no block, or its id and name are not of one droplet of ours any more.
    """
    folder = Folder(HealingSettings().healing)
    record = folder.records.find(decision)
    if not record.decision.acts:
        raise InvalidInput(f"{decision} says to do nothing: {record.decision.reason}")
    if any(one.outcome.word != "begun" for one in record.outcomes):
        get_run_logger().info("%s is over: %s", decision, record.outcomes[-1].outcome.word)
        return None
    if moments.read_moment().since(record.at) > limits.DEADLINES[record.decision.action]:
        outcomes.tell(folder, record, Outcome(record.id, "unhelpful", "nobody carried it out in time"))
        return None
    return _order(folder, record)


def _order(folder: Folder, record: DecisionRecord) -> Order:
    try:
        environment = _environment(record)
        return Order(record, environment, folder, _droplet(record, environment))
    except DeployerError as error:
        if isinstance(error, PermanentError):
            outcomes.tell(folder, record, Outcome(record.id, "unhelpful", error.message))
        raise


def _environment(record: DecisionRecord) -> Environment:
    found = next((one for one in list_environments() if one.title() == record.environment), None)
    if found is None:
        raise PermanentError(
            f"There is no block of the environment {record.environment}.", hint="Nothing was done; make it again."
        )
    return found


def _droplet(record: DecisionRecord, environment: Environment) -> Droplet | None:
    """By the whole id; its name and tags have to say the same."""
    target = record.decision.target
    found = environment.digitalocean.client().droplets.read(target.droplet)
    if found is not None and (found.name != target.name or not naming.is_our_droplet(found.tags)):
        raise PermanentError(f"The droplet {target.droplet} is not {target.name} of ours, and was left alone.")
    return found
