using System.Text;
using RunnerVm.Jobs;
using RunnerVm.Sources.Local;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.Local;

public sealed class JobFileSecretTests : JobFileFixture
{
    [Fact]
    public void A_name_is_read_from_the_variable_of_that_name()
    {
        Variables["NPM_TOKEN"] = "s3cret\n";
        Assert.Equal([new Secret("NPM_TOKEN", "s3cret\n")], Load("job: {script: a, secrets: [NPM_TOKEN]}").Secrets);
    }

    [Fact]
    public void A_source_is_a_variable_a_file_or_standard_input()
    {
        Variables["OTHER"] = "from env";
        Variables["HOME"] = Folder;
        WriteFile("key", "line 1\nline 2\n\n");
        WriteFile("windows", "value\r\n");
        StandardInput = "from stdin\n";
        var job = Load("job: {script: a, secrets: {A: {env: OTHER}, B: {file: ~/key}, C: {stdin: true}, D: {file: windows}}}");
        Assert.Equal(
            [new Secret("A", "from env"), new Secret("B", "line 1\nline 2\n"), new Secret("C", "from stdin"), new Secret("D", "value")],
            job.Secrets);
    }

    [Fact]
    public void A_value_in_the_file_is_refused_and_not_repeated()
    {
        var problem = Assert.Single(ProblemsOf("job: {script: a, secrets: {NPM_TOKEN: hunter22}}"));
        Assert.StartsWith("1:39: the value of NPM_TOKEN does not belong in this file", problem);
        Assert.DoesNotContain("hunter22", problem);
        Assert.DoesNotContain("hunter22", Assert.Single(ProblemsOf("job: {script: a, secrets: [NPM_TOKEN=hunter22]}")));
        Assert.DoesNotContain("hunter22", Assert.Single(ProblemsOf("job: {script: a, secrets: [{NPM_TOKEN: hunter22}]}")));
        Assert.DoesNotContain("hunter22", Assert.Single(ProblemsOf("job: {script: a, secrets: hunter22}")));
    }

    [Theory]
    [InlineData("[MISSING]", "1:28: MISSING comes from the environment variable \"MISSING\", which is not set")]
    [InlineData("{A: {env: MISSING}}", "1:37: A comes from the environment variable \"MISSING\", which is not set")]
    [InlineData("{A: {file: missing}}", "1:38: cannot read A from file \"missing\": there is no such file")]
    [InlineData("{A: {file: .}}", "it is a folder, or permission is denied")]
    [InlineData("{A: {stdin: false}}", "\"stdin\" should be true")]
    [InlineData("{A: {}}", "A should have exactly one source: env, file, stdin")]
    [InlineData("{A: {env: X, stdin: true}}", "A should have exactly one source: env, file, stdin")]
    [InlineData("{A: {envs: X}}", "did you mean \"env\"?")]
    [InlineData("[SHORT]", "1:28: SHORT is shorter than 4 characters; masking so short a value would make the log unreadable")]
    [InlineData("[BLANK]", "BLANK is shorter than 4 characters")]
    [InlineData("{A: {file: huge}}", "A is larger than 64 KiB")]
    [InlineData("[HUGE]", "HUGE is larger than 64 KiB")]
    [InlineData("{A: {file: binary}}", "A from file \"binary\" is not UTF-8 text; encode it, for example with base64")]
    [InlineData("{A: {file: nul}}", "A holds a NUL character")]
    [InlineData("[IN_ENV]", "IN_ENV is in \"env\" and in \"secrets\"; drop one of them")]
    [InlineData("[FINE, FINE]", "\"FINE\" is twice in \"secrets\"")]
    [InlineData("['A B']", "is no name of a variable")]
    public void What_cannot_be_a_secret_is_refused_with_a_reason(string secrets, string expected)
    {
        Variables["SHORT"] = "abc";
        Variables["BLANK"] = "      ";
        Variables["FINE"] = "long enough";
        Variables["IN_ENV"] = "long enough";
        Variables["HUGE"] = new string('x', (64 << 10) + 1);
        WriteFile("huge", Variables["HUGE"]);
        WriteFile("nul", "long\0enough");
        File.WriteAllBytes(Path.Combine(Folder, "binary"), [0xFF, 0xFE, 0xC3, 0x28, 0xFF]);
        var problems = ProblemsOf($"job: {{script: a, secrets: {secrets}, env: {{IN_ENV: x}}}}");
        Assert.Contains(problems, problem => problem.Contains(expected, StringComparison.Ordinal));
    }

    [Fact]
    public void The_largest_secret_is_taken()
    {
        var value = new string('x', 64 << 10);
        WriteFile("large", value + "\n");
        Assert.Equal(value, Assert.Single(Load("job: {script: a, secrets: {A: {file: large}}}").Secrets).Value);
    }

    [Fact]
    public void Standard_input_is_for_one()
    {
        StandardInput = "long enough";
        OneProblem("job: {script: a, secrets: {A: {stdin: true}, B: {stdin: true}}}", "B cannot come from standard input, which holds another secret");
        StandardInput = "job: {script: a, secrets: {A: {stdin: true}}}";
        Assert.Contains("which holds the job file itself", Assert.Throws<UserException>(() => JobFile.Load("-", Context)).Message);
    }
}
