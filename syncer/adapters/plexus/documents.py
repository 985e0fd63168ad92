"""GraphQL documents, made from the descriptions and kept by their shape."""

from __future__ import annotations

from functools import cache

from syncer.adapters.plexus import naming
from syncer.schema.model import Index, Kind, Model
from syncer.schema.pull import BySetting, FullList, FullScan, Incremental, PerParent


@cache
def mutation(shape: tuple[tuple[str, Model, bool], ...]) -> str:
    """Aliased mutations ``m0``, ``m1`` ...: (op, model, with a condition) each; variables ``i<n>`` and ``c<n>``."""
    variables, fields = [], []
    for n, (op, model, conditional) in enumerate(shape):
        variables.append(f"$i{n}:{naming.input_type(op, model)}!")
        arguments = f"input:$i{n}"
        if conditional:
            variables.append(f"$c{n}:{naming.condition_type(model)}")
            arguments += f",condition:$c{n}"
        fields.append(f"m{n}:{naming.mutation_field(op, model)}({arguments}){{{_receipt(model)}}}")
    return f"mutation Push({','.join(variables)}){{{' '.join(fields)}}}"


@cache
def fetch(models: tuple[Model, ...]) -> str:
    """Aliased gets ``g0``, ``g1`` ...; variables ``k<n>_<field>``."""
    variables, fields = [], []
    for n, model in enumerate(models):
        arguments = []
        for name in model.key:
            variables.append(f"$k{n}_{name}:{_key_type(model, name)}")
            arguments.append(f"{name}:$k{n}_{name}")
        fields.append(f"g{n}:{naming.get_field(model)}({','.join(arguments)}){{{selection(model)}}}")
    return f"query Fetch({','.join(variables)}){{{' '.join(fields)}}}"


@cache
def page(model: Model, from_cursor: bool) -> str:
    """One page of the model's pull plan, aliased ``page``; variables ``p`` (partition), ``c`` (cursor), ``n``, ``t``."""
    plan = model.pull
    body = f"{{items{{{selection(model)}}} nextToken}}"
    if plan is None or isinstance(plan, FullList):
        raise ValueError(f"Plexus has no such way to pull {model.name}")
    if isinstance(plan, FullScan):
        return f"query Pull($n:Int,$t:String){{page:{naming.list_field(model)}(limit:$n,nextToken:$t){body}}}"
    fields = (plan.field,) if isinstance(plan, BySetting) else plan.index
    index = model.index_on(*fields)
    variables = [f"$p:{naming.partition_type(model, index)}", "$n:Int", "$t:String"]
    arguments = [f"{index.partition}:$p", "limit:$n", "nextToken:$t"]
    if index.sort:
        arguments.append("sortDirection:ASC")
    if from_cursor:
        # Generated composite conditions type a time as such everywhere but in the last place.
        early = len(index.sort) > 1 and isinstance(plan, Incremental) and plan.cursor != index.sort[-1]
        variables.append("$c:AWSDateTime" if early else "$c:String")
        arguments.append(_cursor(plan, index))
    return f"query Pull({','.join(variables)}){{page:{naming.index_field(model, index)}({','.join(arguments)}){body}}}"


def _cursor(plan: BySetting | Incremental | PerParent, index: Index) -> str:
    if not isinstance(plan, Incremental):
        return "filter:{updatedAt:{ge:$c}}"
    value = f"{{ge:{{{plan.cursor}:$c}}}}" if len(index.sort) > 1 else "{ge:$c}"
    return f"{naming.sort_argument(index)}:{value}"


@cache
def lookup(model: Model, index: Index, others: tuple[str, ...], count: int) -> str:
    """Aliased index queries ``s0``, ``s1`` ... that fix every field of ``index``, and filter by the fields ``others``.

    Variables ``v<n>_<field>`` and ``t<n>`` (page token), and ``n`` for all.
    """
    body = f"{{items{{{selection(model)}}} nextToken}}"
    variables, fields = ["$n:Int"], []
    for n in range(count):
        variables.append(f"$v{n}_{index.partition}:{naming.partition_type(model, index)}")
        arguments = [f"{index.partition}:$v{n}_{index.partition}"]
        variables += [f"$v{n}_{name}:{naming.field_type(model, name)}" for name in (*index.sort, *others)]
        if index.sort:
            arguments.append(f"{naming.sort_argument(index)}:{{eq:{_sort_value(index, n)}}}")
        if others:
            arguments.append(f"filter:{{{','.join(f'{name}:{{eq:$v{n}_{name}}}' for name in others)}}}")
        variables.append(f"$t{n}:String")
        arguments += ["limit:$n", f"nextToken:$t{n}"]
        fields.append(f"s{n}:{naming.index_field(model, index)}({','.join(arguments)}){body}")
    return f"query Seek({','.join(variables)}){{{' '.join(fields)}}}"


def _sort_value(index: Index, n: int) -> str:
    if len(index.sort) == 1:
        return f"$v{n}_{index.sort[0]}"
    return f"{{{','.join(f'{name}:$v{n}_{name}' for name in index.sort)}}}"


@cache
def selection(model: Model) -> str:
    """Every described field that the remote has, and those of the deployment that are not described."""
    return " ".join((*(f.name for f in model.remote_fields), *model.unknown))


def _key_type(model: Model, name: str) -> str:
    return "ID!" if model.by_name[name].kind is Kind.ID else "String!"


def _receipt(model: Model) -> str:
    return " ".join((*model.key, *(f.name for f in model.stamps)))
