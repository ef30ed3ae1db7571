"""What one step of GPT-2 sends in each mode, and what a rank holds, in closed form.

T tokens of a micro-batch of one replica, h hidden, L layers, S positions, V vocabulary, padded to its shards. A layer has
the linears qkv [h, 3h], proj [h, h], fc [h, 4h], proj [4h, h]. Sizes count elements. docs/communication.md derives the
forms and sets them beside those of the papers; the rule of counting is there too.

A form lists collectives by what they must do: `Costs` adds up what they send, over all ranks of the world, for each list
of axes in the forward pass, the backward pass and the end of the step, and the elements that one rank keeps. What backward
gathers or computes again is backward. A form knows nothing of the compiler.
"""

import math
import typing


class Shape(typing.NamedTuple):
    rows: int  # of one replica and step
    seq: int
    hidden: int
    heads: int
    layers: int
    vocab: int
    micro: int  # micro-batches of one replica and step

    @property
    def tokens(self):
        return self.rows // self.micro * self.seq


# Input and output features of the linears of a layer, in units of h.
LINEARS = [(1, 3), (1, 1), (1, 4), (4, 1)]
# Vectors of a layer that meet features between two linears (biases of the first of each pair), and those that meet
# the residual's features (two norms of two each, biases of the second of each pair), in units of h.
INNER_VECTORS = [3, 4]
OUTER_VECTORS = [1] * 6


class Sent:
    """Bytes and messages that leave all ranks of a world in one phase of a step, by axes."""

    def __init__(self, sizes, element):
        self.sizes = sizes
        self.element = element
        self.totals = {}

    def group(self, axes):
        return math.prod(self.sizes[axis] for axis in axes)

    def _add(self, axes, group_elements, group_messages, times, element=None):
        if self.group(axes) == 1 or not times:
            return
        groups = math.prod(self.sizes.values()) // self.group(axes)
        sent, messages = self.totals.get(",".join(axes), (0, 0))
        self.totals[",".join(axes)] = (
            sent + times * groups * group_elements * (element or self.element),
            messages + times * groups * group_messages,
        )

    def all_reduce(self, axes, elements, times=1, element=None):
        n = self.group(axes)
        self._add(axes, 2 * (n - 1) * elements, 2 * n * (n - 1), times, element)

    def all_gather(self, axes, whole, times=1):
        n = self.group(axes)
        self._add(axes, (n - 1) * whole, n * (n - 1), times)

    reduce_scatter = all_gather

    def all_to_all(self, axes, part, times=1):
        """`part`: what one rank holds."""
        n = self.group(axes)
        self._add(axes, (n - 1) * part, n * (n - 1), times)

    def ring_hop(self, axes, part, times=1):
        """Every rank sends what it holds to the next."""
        n = self.group(axes)
        self._add(axes, n * part, n, times)

    def permute(self, axes, part, movers, times=1):
        """`movers` ranks of a group send what they hold."""
        self._add(axes, movers * part, movers, times)

    def exchange(self, part, times):
        """Parts [{col},{row}] become [{row},{col}]: all but the diagonal of the square send theirs. On four ranks an
        exchange over rows of what is still to be scattered over columns sends as much, at most one part a rank."""
        q = self.sizes["row"]
        if q == 2:
            self.all_to_all(("row",), q * part, times)
        else:
            self.permute(("row", "col"), part, q * q - q, times)


class Costs:
    """What all ranks of a world send in each phase of a step; elements in the buffers of one rank."""

    def __init__(self, mesh, replicas, element=4):
        self.sizes = dict(mesh, dp=replicas)
        self.tensor_axes = tuple(mesh)
        self.element = element
        self.forward, self.backward, self.update = (Sent(self.sizes, element) for _ in range(3))
        self.parameters = 0  # elements of the flat buffer
        self.saved = 0  # elements that layers keep for their backward

    @property
    def both(self):
        """The passes of a micro-batch."""
        return self.forward, self.backward

    def totals(self):
        """(bytes, messages) by phase and axes."""
        phases = {"forward": self.forward, "backward": self.backward, "update": self.update}
        return {(name, axes): sent for name, phase in phases.items() for axes, sent in phase.totals.items()}

    def in_buffer(self, counts):
        """Each value starts at a multiple of 64 bytes; the gaps count."""
        unit = 64 // self.element
        return sum(-(-count // unit) * unit for count in counts)


class Reduced(typing.NamedTuple):
    """Gradients summed alike over `axes` and all replicas, once a step: elements on one rank of each parameter before
    the layers, of one layer, and after the layers. Each of the three is one all-reduce, a layer's for each layer."""

    axes: tuple
    before: list
    layer: list
    after: list


def reduce_gradients(costs, shape, classes):
    for axes, before, layer, after in classes:
        parts = [(before, 1), (layer, shape.layers), (after, 1)]
        if shape.layers == 1:
            # There is no earlier layer to hide a reduction behind.
            parts = [(before + layer + after, 1)]
        for parameters, times in parts:
            elements = costs.in_buffer(parameters)
            costs.parameters += times * elements
            if elements:
                costs.update.all_reduce((*axes, "dp"), elements, times)


def reduce_scalars(costs, token_axes, micro):
    """The loss of each micro-batch, the denominator and the metric of the step, the squared norm of the gradient."""
    costs.forward.all_reduce(token_axes, 1, micro)
    costs.update.all_reduce(("dp",), 1, 2, element=8)
    costs.update.all_reduce(costs.tensor_axes, 1, element=8)


def reduce_loss(costs, axes, tokens, micro):
    """Cross-entropy over a cut vocabulary: the maximum, then the sum of exponentials with the target's logit."""
    costs.forward.all_reduce(axes, tokens, micro)
    costs.forward.all_reduce(axes, 2 * tokens, micro)


def reduce_norms(costs, axes, tokens, shape):
    """Norms over cut features, two a layer and one at the end: mean, then centred square; backward two sums at once."""
    norms = (2 * shape.layers + 1) * shape.micro
    costs.forward.all_reduce(axes, tokens, 2 * norms)
    costs.backward.all_reduce(axes, 2 * tokens, norms)


def save_layers(costs, s, outer, inner, tokens):
    """What layers keep: their input, the results of both norms and of proj (outer: the parts that these are cut into), of
    qkv, attention and fc, whose gelu is computed again (inner), two statistics of each norm (tokens) and attention's
    log-sum-exps (inner)."""
    T, h = s.tokens, s.hidden
    values = [T * h // outer] * 4 + [n * T * h // inner for n in (3, 1, 4)] + [T // tokens] * 4 + [T * s.heads // inner]
    costs.saved += s.layers * sum(values)


def padded(vocab, shards):
    return -(-vocab // shards) * shards


def none(costs, s):
    h = s.hidden
    layer = [k * n * h * h for k, n in LINEARS] + [v * h for v in INNER_VECTORS + OUTER_VECTORS]
    reduce_gradients(costs, s, [Reduced((), [s.vocab * h, s.seq * h], layer, [h, h])])
    reduce_scalars(costs, (), s.micro)
    save_layers(costs, s, 1, 1, 1)


def attention(costs, kind, part, s):
    """Attention over a cut sequence; `part`: elements of q on one rank."""
    executions, hops = s.micro * s.layers, costs.sizes["sp"] - 1
    if kind == "ring":
        # Keys and values go round. Backward queries, gradients and two statistics of each row and head do, and then
        # gradients of queries; or, where that is no less, keys and values again, and then their gradients.
        statistics = part * s.heads // s.hidden
        costs.forward.ring_hop(("sp",), 2 * part, hops * executions)
        rows, keys = (2 * part + 2 * statistics, part), (2 * part, 2 * part)
        for message in rows if sum(rows) < sum(keys) else keys:
            costs.backward.ring_hop(("sp",), message, hops * executions)
    else:
        # Forward q, k and v as one, and the result. Backward the result's gradient and those of q, k and v.
        costs.forward.all_to_all(("sp",), 3 * part, executions)
        costs.forward.all_to_all(("sp",), part, executions)
        costs.backward.all_to_all(("sp",), part, 4 * executions)


def one_d(costs, s, sequence_parallel=False, kind=None):
    """1D, and 1D beside a cut sequence if `kind` says how attention joins its parts."""
    t, h, parts = costs.sizes["tp"], s.hidden, costs.sizes.get("sp", 1)
    tokens = s.tokens // parts
    if sequence_parallel:
        # Each all-reduce is a scatter and a gather; the input of qkv and fc is gathered again for the weight gradient.
        costs.forward.all_gather(("tp",), tokens * h, s.micro * (4 * s.layers + 2))
        costs.backward.all_gather(("tp",), tokens * h, s.micro * (6 * s.layers + 2))
    else:
        for phase in costs.both:
            phase.all_reduce(("tp",), tokens * h, s.micro * (2 * s.layers + 1))
    reduce_loss(costs, ("tp",), tokens, s.micro)
    if kind:
        attention(costs, kind, tokens * h // t, s)
    cut = [k * n * h * h // t for k, n in LINEARS] + [v * h // t for v in INNER_VECTORS]
    table, positions = padded(s.vocab, t) * h // t, s.seq * h // parts
    over = ("sp",) if parts > 1 else ()
    whole = (*over, "tp") if sequence_parallel else over
    outer = [v * h for v in OUTER_VECTORS]
    if sequence_parallel and parts == 1:
        classes = [Reduced((), [table, positions // t], cut, []), Reduced(whole, [], outer, [h, h])]
    elif parts == 1:
        classes = [Reduced((), [table], cut, []), Reduced((), [positions], outer, [h, h])]
    else:
        rest = positions // t if sequence_parallel else positions
        classes = [Reduced(over, [table], cut, []), Reduced(whole, [], outer, [h, h]), Reduced((), [rest], [], [])]
    reduce_gradients(costs, s, classes)
    reduce_scalars(costs, over, s.micro)
    rows = parts * t if sequence_parallel else parts
    save_layers(costs, s, rows, parts * t, rows)


def sequence(costs, s, kind):
    h, parts = s.hidden, costs.sizes["sp"]
    attention(costs, kind, s.tokens * h // parts, s)
    layer = [k * n * h * h for k, n in LINEARS] + [v * h for v in INNER_VECTORS + OUTER_VECTORS]
    reduce_gradients(costs, s, [
        Reduced(("sp",), [s.vocab * h], layer, [h, h]),
        Reduced((), [s.seq * h // parts], [], []),
    ])
    reduce_scalars(costs, ("sp",), s.micro)
    save_layers(costs, s, parts, parts, parts)


def grid(costs, s):
    """2D on q x q ranks and 2.5D on d planes of them. What a group gathers or scatters goes in rounds, each with another
    root: together as many bytes and messages as a gather or a scatter."""
    q, d, h = costs.sizes.get("row", 1), costs.sizes.get("dep", 1), s.hidden
    tokens, vocab = s.tokens // d, padded(s.vocab, q)
    col, row = ("col",), ("row",)
    planes = tuple(axis for axis in ("dep",) if d > 1)
    weights_stay = q > 1 and tokens < h
    if weights_stay:
        for index, (k, n) in enumerate(LINEARS):
            # The input is gathered over one axis and the result scattered over the other; they change places from
            # linear to linear. Backward the result's gradient is gathered once for both products.
            gathered, scattered = (row, col) if index % 2 == 0 else (col, row)
            for phase, times in zip(costs.both, (1, 2)):
                phase.all_gather(gathered, tokens * k * h // q, times * s.layers * s.micro)
                phase.reduce_scatter(scattered, tokens * n * h // q, s.layers * s.micro)
    elif q > 1:
        for k, n in LINEARS:
            # Forward input (or result, whichever has fewer features) and weight move. Backward both gradients do,
            # and operands move again; the gradient of proj's result serves input and weight in the same rounds.
            features, weight, executions = min(k, n) * h, k * n * h * h, s.layers * s.micro
            for phase, moves, weights in ((costs.forward, 1, 1), (costs.backward, 2 if k <= n else 1, 2)):
                phase.all_gather(col, tokens * features // q, moves * executions)
                phase.all_gather(row, weight // q, weights * executions)
    if q > 1:
        for phase, times in zip(costs.both, (1, 2)):
            # The head keeps its result: input and table move forward and again backward, and so do their gradients.
            phase.all_gather(col, tokens * h // q, times * s.micro)
            phase.all_gather(row, vocab * h // q, times * s.micro)
            # The lookup scatters the batch over col, then row and col change places; its gradient goes back.
            phase.reduce_scatter(col, tokens * h // q, s.micro)
            phase.exchange(tokens * h // (q * q), s.micro)
        reduce_norms(costs, col, tokens // q, s)
        reduce_loss(costs, col, tokens // q, s.micro)
    cut = [k * n * h * h // (q * q) for k, n in LINEARS]
    inner, outer = ([v * h // q for v in vectors] for vectors in (INNER_VECTORS, OUTER_VECTORS))
    token_axes = (*planes, *(row if q > 1 else ()))
    if q > 1:
        classes = [
            Reduced(planes, [vocab * h // (q * q)], cut, []),
            Reduced(token_axes, [s.seq * h // q], outer if weights_stay else inner + outer, [h // q, h // q]),
            Reduced((*planes, *col), [], inner if weights_stay else [], []),
        ]
    else:
        classes = [Reduced(planes, [vocab * h, s.seq * h], cut + inner + outer, [h, h])]
    reduce_gradients(costs, s, classes)
    reduce_scalars(costs, token_axes, s.micro)
    save_layers(costs, s, d * q * q, d * q * q, d * q)


def cube(costs, s):
    l, h = costs.sizes["in"], s.hidden
    face, vocab = l * l, padded(s.vocab, l * l)
    executions = s.layers * s.micro
    roles = ("in",), ("out",)
    for index, (k, n) in enumerate(LINEARS):
        gathered, scattered = roles[index % 2], roles[1 - index % 2]
        # Forward the input is gathered, backward again, and its gradient scattered; the result's sums are scattered,
        # and its gradient gathered. The weight is gathered twice and its gradient scattered.
        for phase, times in zip(costs.both, (1, 2)):
            phase.all_gather(gathered, s.tokens * k * h // face, times * executions)
            phase.all_gather(scattered, s.tokens * n * h // face, executions)
            phase.all_gather(("wt",), k * n * h * h // face, times * executions)
    # Lookup and head: one gathered table for both, a gradient of it from each.
    for phase, times in zip(costs.both, (1, 2)):
        phase.all_gather(("in",), s.tokens * h // face, 2 * s.micro)
        phase.all_gather(("out",), s.tokens * vocab // face, s.micro)
        phase.all_gather(("wt",), vocab * h // face, times * s.micro)
    reduce_norms(costs, ("out",), s.tokens // face, s)
    reduce_loss(costs, ("in",), s.tokens // face, s.micro)
    cut = [k * n * h * h // l**3 for k, n in LINEARS]
    reduce_gradients(costs, s, [
        Reduced((), [vocab * h // l**3], cut, []),
        Reduced(("in", "wt"), [s.seq * h // l], [v * h // l for v in OUTER_VECTORS], [h // l, h // l]),
        Reduced(("out", "wt"), [], [v * h // l for v in INNER_VECTORS], []),
    ])
    reduce_scalars(costs, ("out", "wt"), s.micro)
    save_layers(costs, s, l**3, l**3, face)
