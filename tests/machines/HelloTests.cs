using Xunit;

namespace RunnerVm.Tests.Machines;

public sealed class HelloTests
{
    private static readonly int[] Signals = [1, 2, 3, 6, 9, 11, 14, 15];

    [Fact]
    public async Task Hello_prints_its_log_on_standard_output_and_nothing_else_there()
    {
        var done = (await Runner.ExecAsync("job: {script: ['echo hello', 'uname -s'], workspace: none}")).ExpectExit(0);
        Assert.Equal("$ echo hello\nhello\n$ uname -s\nLinux\n", done.Output);
        Leftovers.AssertNone();
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
        // dash starts several times as fast as bash on a software CPU.
        var steps = Enumerable.Range(0, 256).Select(code => $"    - {{name: 'code {code}', shell: sh, run: 'exit {code}', continue-on-error: true}}")
            .Concat(Signals.Select(signal => $"    - {{name: 'signal {signal}', shell: sh, run: 'kill -{signal} $$', continue-on-error: true}}"));
        var done = (await Runner.ExecAsync($"job:\n  workspace: none\n  steps:\n{string.Join('\n', steps)}\n", ["--json"])).ExpectExit(0);

        var finished = done.Events.Where(static e => e.GetProperty("event").GetString() == "stepFinished")
            .ToDictionary(static e => e.GetProperty("name").GetString()!, static e => e.GetProperty("exitCode").GetInt32());
        for (var code = 0; code < 256; code++) Assert.Equal(code, finished[$"code {code}"]);
        foreach (var signal in Signals) Assert.Equal(128 + signal, finished[$"signal {signal}"]);
    }

    [Fact]
    public async Task The_exit_code_of_the_program_is_that_of_the_first_step_that_failed()
    {
        var done = await Runner.ExecAsync("job: {steps: [{run: exit 41}, {run: exit 42, if: always}, {run: echo not reached}], workspace: none}");
        done.ExpectExit(41);
        Assert.DoesNotContain("not reached", done.Output);
    }
}
