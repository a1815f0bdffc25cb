using System.Net;

namespace RunnerVm.Egress;

/// <summary>
/// For one machine: which names its look-ups turned into which addresses. Bounded, because a guest may look up as much
/// as it likes; the oldest address goes first, and a connection to a forgotten one counts as nameless. Safe from any thread.
/// </summary>
internal sealed class LearnedNames
{
    private const int MaximumAddresses = 8192;
    private const int MaximumNamesPerAddress = 8;

    private readonly Lock _lock = new();
    private readonly Dictionary<IPAddress, string[]> _names = [];
    private readonly Queue<IPAddress> _order = new();

    /// <param name="names">The name that was asked for first, then its aliases.</param>
    public void Learn(IPAddress address, IReadOnlyList<string> names)
    {
        address = AddressPlan.Canonical(address);
        lock (_lock)
        {
            if (!_names.TryGetValue(address, out var known))
            {
                if (_names.Count >= MaximumAddresses) _names.Remove(_order.Dequeue());
                _order.Enqueue(address);
                known = [];
            }

            _names[address] = [.. names.Concat(known).Distinct().Take(MaximumNamesPerAddress)];
        }
    }

    /// <summary>Latest first; empty for an address that was never an answer.</summary>
    public IReadOnlyList<string> Of(IPAddress address)
    {
        lock (_lock) return _names.TryGetValue(AddressPlan.Canonical(address), out var names) ? names : [];
    }
}
