using System.Text;
using Xunit;

namespace RunnerVm.Tests.Vmm.Api;

/// <summary>
/// Requests and their answers, letter by letter. Each file of Golden/ is one machine: <c>&gt; METHOD path</c>, perhaps a body on
/// the lines behind it, then <c>&lt; status</c> and perhaps a body. <c>{dir}</c> is the test's folder.
/// </summary>
public sealed class GoldenTests
{
    private static readonly string Folder = Path.Combine(AppContext.BaseDirectory, "Api", "Golden");

    /// <summary>Every operation of Firecracker's description, and ours.</summary>
    private static readonly string[] Operations =
    [
        "GET /", "GET /version", "GET /vm/config", "PATCH /vm", "GET /machine-config", "PUT /machine-config", "PATCH /machine-config", "PUT /cpu-config",
        "PUT /boot-source", "PUT /drives/{id}", "PATCH /drives/{id}", "DELETE /drives/{id}", "PUT /network-interfaces/{id}", "PATCH /network-interfaces/{id}",
        "DELETE /network-interfaces/{id}", "PUT /vsock", "PUT /entropy", "GET /balloon", "PUT /balloon", "PATCH /balloon", "GET /balloon/statistics",
        "PATCH /balloon/statistics", "PATCH /balloon/hinting/start", "PATCH /balloon/hinting/stop", "GET /balloon/hinting/status", "PUT /serial", "GET /mmds",
        "PUT /mmds", "PATCH /mmds", "PUT /mmds/config", "PUT /logger", "PUT /metrics", "PUT /actions", "PUT /pmem/{id}", "PATCH /pmem/{id}", "DELETE /pmem/{id}",
        "PUT /hotplug/memory", "PATCH /hotplug/memory", "GET /hotplug/memory", "PUT /snapshot/create", "PUT /snapshot/load", "PUT /boot",
    ];

    public static TheoryData<string> Files() => [.. Directory.GetFiles(Folder, "*.txt").Select(static path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];

    [Theory]
    [MemberData(nameof(Files))]
    public void Requests_are_answered_as_written_down(string file)
    {
        using var api = new ApiUnderTest();
        var differences = new StringBuilder();
        foreach (var pair in Read(file))
        {
            var answer = Show(api.Ask(pair.Method, pair.Path, pair.Body?.Replace("{dir}", api.Folder, StringComparison.Ordinal))).Replace(api.Folder, "{dir}", StringComparison.Ordinal);
            if (answer != pair.Answer) differences.Append($"\n> {pair.Method} {pair.Path} {pair.Body}\n< {pair.Answer}\nbut is\n< {answer}\n");
        }

        Assert.True(differences.Length == 0, differences.ToString());
    }

    [Fact]
    public void No_operation_is_left_out()
    {
        var seen = Files().Select(static row => (string)row.Data).SelectMany(Read).Select(static pair => $"{pair.Method} {Template(pair.Path)}").ToHashSet();
        Assert.Empty(Operations.Except(seen));
    }

    private static string Template(string path) =>
        path.Split('/') is ["", "drives" or "network-interfaces" or "pmem", _] and var parts ? $"/{parts[1]}/{{id}}" : path;

    private static string Show(ApiAnswer answer)
    {
        var deprecated = answer.Headers.Contains("Deprecation: true") ? " deprecated" : "";
        return $"{answer.Status}{deprecated} {answer.Body}".TrimEnd();
    }

    private static List<Pair> Read(string file)
    {
        var pairs = new List<Pair>();
        foreach (var part in File.ReadAllText(Path.Combine(Folder, file)).Split("\n> ").Skip(1))
        {
            var lines = part.Split('\n').Where(static line => !line.StartsWith('#')).ToList();
            var answer = lines.FindIndex(static line => line.StartsWith("< ", StringComparison.Ordinal));
            var request = lines[0].Split(' ');
            var body = answer > 1 ? string.Join('\n', lines[1..answer]) : null;
            pairs.Add(new(request[0], request[1], body, string.Join('\n', lines[answer..])[2..].TrimEnd()));
        }

        return pairs;
    }

    private sealed record Pair(string Method, string Path, string? Body, string Answer);
}
