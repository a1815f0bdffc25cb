using System.Text;
using System.Text.Json;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <param name="ExitCode">Of the process.</param>
internal sealed record Finished(int ExitCode, string Output, string Error)
{
    /// <summary>The events of a run with --json.</summary>
    public IReadOnlyList<JsonElement> Events =>
        [.. Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)];

    public string LastLineOfError => Error.TrimEnd('\n').Split('\n')[^1];

    /// <summary>Fails the test with all that was said when the exit code is another.</summary>
    public Finished ExpectExit(int code)
    {
        Assert.True(ExitCode == code, $"exit code {ExitCode} instead of {code}\n{this}");
        return this;
    }

    public override string ToString() =>
        new StringBuilder("--- output\n").Append(Output).Append("\n--- error\n").Append(Error).ToString();
}
