using RunnerVm.Egress;
using RunnerVm.Jobs;

namespace RunnerVm.Commands;

/// <summary>What <c>--network</c> and <c>--allow</c> make of a job's network.</summary>
internal static class ExecNetwork
{
    private const string EverythingPublic = "*";

    /// <param name="network"><c>none</c> or <c>open</c>; null keeps the file's.</param>
    /// <param name="allowed">Rules let in besides what the file lets in.</param>
    public static NetworkRequest Override(NetworkRequest request, string? network, string[] allowed, List<string> problems)
    {
        switch (network)
        {
            case null:
                break;
            case "none":
                request = new(NetworkKind.None);
                break;
            case "open":
                request = NetworkRequest.OpenInternet;
                break;
            default:
                problems.Add($"--network {network}: expected none or open");
                break;
        }

        if (allowed.Length == 0) return request;
        if (request.Kind == NetworkKind.None) problems.Add($"--allow {allowed[0]}: this job has no network; use --network open, or drop --allow");
        foreach (var rule in allowed)
            if (!NetworkRule.TryParse(rule, out _, out var problem)) problems.Add($"--allow {rule}: {problem}");

        // Without a list all that is public is let through; a list of ours must not shut that out.
        return request with { Allow = [.. request.Allow ?? [EverythingPublic], .. allowed] };
    }
}
