using System.Text.Json;
using Xunit;

namespace RunnerVm.Tests.Machines;

public sealed class HelloTests
{
    [Fact]
    public async Task Hello_prints_its_log_on_standard_output_and_nothing_else_there()
    {
        var done = (await Runner.ExecAsync("job: {script: ['echo hello', 'uname -s'], workspace: none}")).ExpectExit(0);
        Assert.Equal("$ echo hello\nhello\n$ uname -s\nLinux\n", done.Output);
    }

    [Fact]
    public async Task Standard_error_stays_apart()
    {
        var done = (await Runner.ExecAsync("job: {steps: [{run: 'echo out; echo err >&2'}], workspace: none}", ["--quiet"])).ExpectExit(0);
        Assert.Equal("out\n", done.Output);
        Assert.Equal("err\n", done.Error);
    }

    [Fact]
    public async Task Every_exit_code_from_0_to_255_comes_back_and_so_does_every_deadly_signal()
    {
        var steps = Enumerable.Range(0, 256).Select(code => $"    - {{name: 'code {code}', run: 'exit {code}', continue-on-error: true}}")
            .Concat(new[] { 1, 2, 3, 6, 9, 11, 14, 15 }.Select(signal => $"    - {{name: 'signal {signal}', run: 'kill -{signal} $$', continue-on-error: true}}"));
        var done = (await Runner.ExecAsync($"job:\n  workspace: none\n  steps:\n{string.Join('\n', steps)}\n", ["--json"])).ExpectExit(0);

        var finished = done.Output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(static line => JsonDocument.Parse(line).RootElement)
            .Where(static e => e.GetProperty("event").GetString() == "stepFinished")
            .ToDictionary(static e => e.GetProperty("name").GetString()!, static e => e.GetProperty("exitCode").GetInt32());
        for (var code = 0; code < 256; code++) Assert.Equal(code, finished[$"code {code}"]);
        foreach (var signal in new[] { 1, 2, 3, 6, 9, 11, 14, 15 }) Assert.Equal(128 + signal, finished[$"signal {signal}"]);
    }
}
