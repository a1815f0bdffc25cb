using FsCheck;
using FsCheck.Fluent;
using FsCheck.Xunit;
using RunnerVm.Sources.Local;
using Xunit;

namespace RunnerVm.Tests.Executor.Sources.Local;

/// <summary>What a wrong job file is answered with.</summary>
public sealed class JobFileProblemTests : JobFileFixture
{
    [Fact]
    public void All_problems_are_told_at_once_in_order()
    {
        var problems = ProblemsOf(
            """
            job:
              nmae: x
              steps:
                - run: a
                  if: allways
                - name: no run
              env: {1A: b}
            runner:
              memory: 64MB
              cpus: many
              image: node
              network: {allow: ["http://x"], mod: audit}
            jobs: {}
            """);
        Assert.Equal(
            [
                "2:3: unknown key \"nmae\" in \"job\"; did you mean \"name\"? Expected one of: name, image, env, secrets, before_script, script, after_script, steps, workspace, artifacts, timeout",
                "5:11: \"if\" should be one of success, failure, always, success(), failure(), always(), found \"allways\"; did you mean \"always\"?",
                "6:7: a step needs \"run\", the script it runs",
                "7:9: \"1A\" is no name of a variable; use letters, digits and _, not a digit first",
                "9:11: \"memory\" should be from 128MiB to 1TiB, found 64MiB",
                "10:9: \"cpus\" should be a whole number from 1 to 32, found \"many\"",
                "11:3: unknown key \"image\" in \"runner\"; \"image\" belongs under \"job\". Expected one of: executor, isolation, cpus, memory, disk, kernel, timeout, network",
                "12:21: \"allow\": \"http://x\": a rule names a host, not an address of a page; leave out the scheme and the path",
                "12:34: unknown key \"mod\" in \"network\"; did you mean \"mode\"? Expected one of: allow, deny, mode",
                "13:1: unknown key \"jobs\" in the job file; did you mean \"job\"? Expected one of: job, runner",
            ],
            problems);
    }

    [Theory]
    [InlineData("", "1:1: is empty")]
    [InlineData("# only a comment\n", "1:1: is empty")]
    [InlineData("---\n...\n", "1:1: is empty")]
    [InlineData("just text", "1:1: the job file should be a map")]
    [InlineData("- a", "1:1: the job file should be a map")]
    [InlineData("runner: {}", "1:1: \"job\" is missing")]
    [InlineData("job:", "\"job\" should be a map with any of: name, ")]
    [InlineData("job: {}", "1:6: \"job\" has nothing to run; add \"script\" (a list of commands) or \"steps\"")]
    [InlineData("job: {script: a, steps: [b]}", "1:18: \"script\" and \"steps\" exclude each other")]
    [InlineData("job: {script: []}", "1:15: \"script\" is an empty list")]
    [InlineData("job: {script: }", "\"script\" should be text or a list of texts, found nothing")]
    [InlineData("job: {script: [~]}", "1:16: an entry of \"script\" should be text, found nothing")]
    [InlineData("job: {script: [[a]]}", "1:16: an entry of \"script\" should be text, found a list")]
    [InlineData("job:\n  script:\n    - echo hello: world", "3:7: an entry of \"script\" should be text, found a map; where the text itself holds \": \", put quotes around it")]
    [InlineData("job: {steps: []}", "\"steps\" should be a list of steps, found an empty one")]
    [InlineData("job: {steps: a}", "\"steps\" should be a list of steps, found text")]
    [InlineData("job: {steps: [{run: a, shell: zsh}]}", "\"perl {0}\", found \"zsh\"")]
    [InlineData("job: {steps: [{run: a, continue-on-error: maybe}]}", "should be one of true, false, found \"maybe\"")]
    [InlineData("job: {steps: [{run: a, timeout: 5}]}", "1:33: \"timeout\": \"5\" has no unit; write \"5s\" for seconds or \"5m\" for minutes")]
    [InlineData("job: {script: a, timeout: 31d}", "\"timeout\" should be from 1s to 30d, found 31d")]
    [InlineData("{job: {script: a, timeout: 1m}, runner: {timeout: 1m}}", "1:42: \"timeout\" is also under \"job\"")]
    [InlineData("job: {script: a, image: 'node:20'}", "1:25: \"image\" should name a recipe")]
    [InlineData("job: {script: a, image: ../x}", "\"image\" should name a recipe")]
    [InlineData("job: {script: a, name: \"a\\nb\"}", "\"name\" should be one line")]
    [InlineData("job: {script: a, env: [A]}", "\"env\" should be a map")]
    [InlineData("job: {script: a, env: {A: [b]}}", "the value of A should be text, found a list")]
    [InlineData("job: {script: a, workspace: missing}", "1:29: \"workspace\": there is no folder")]
    [InlineData("job: {script: a, workspace: []}", "\"workspace\" should be a path")]
    [InlineData("job: {script: a, artifacts: [/etc]}", "1:30: artifacts are relative")]
    [InlineData("job: {script: a, artifacts: {paths: a/../../b}}", "artifacts are relative")]
    [InlineData("job: {script: a, artifacts: {when: always}}", "\"artifacts\" needs \"paths\"")]
    [InlineData("{job: {script: a}, runner: {memory: 2048}}", "1:37: \"memory\": \"2048\" has no unit; write \"2048MB\"")]
    [InlineData("{job: {script: a}, runner: {memory: [1]}}", "\"memory\": expected a size")]
    [InlineData("{job: {script: a}, runner: {disk: 1MB}}", "\"disk\" should be from 64MiB to 16TiB, found 1MiB")]
    [InlineData("{job: {script: a}, runner: {cpus: 33}}", "from 1 to 32, found \"33\"")]
    [InlineData("{job: {script: a}, runner: {cpus: 1.5}}", "from 1 to 32, found \"1.5\"")]
    [InlineData("{job: {script: a}, runner: {kernel: missing}}", "\"kernel\": there is no file")]
    [InlineData("{job: {script: a}, runner: {executor: fircracker}}", "did you mean \"firecracker\"?")]
    [InlineData("{job: {script: a}, runner: {executor: gvisor, isolation: kernel-level}}", "gvisor isolates a process")]
    [InlineData("{job: {script: a}, runner: {network: opne}}", "\"network\" should be one of none, open, found \"opne\"; did you mean \"open\"?")]
    [InlineData("{job: {script: a}, runner: {network: [a.b]}}", "write the list under \"allow\"")]
    [InlineData("{job: {script: a}, runner: {network: {allow: }}}", "\"allow\" should be a list of rules ([] for none), found nothing")]
    [InlineData("job: {script: a}\nmemory: 1GB", "\"memory\" belongs under \"runner\"")]
    public void A_mistake_is_told_with_its_place_and_the_way_out(string yaml, string expected) => OneProblem(yaml, expected);

    [Theory]
    [InlineData("job:\n\tscript: a", "2:1: a tab is no indentation in YAML; use spaces")]
    [InlineData("job:\n  script: a\n  \tname: b\n  env: {}", "3:3: a tab is no indentation in YAML")]
    [InlineData("...\njob: {script: a}", "this is not YAML: ")]
    [InlineData("job:\n  script: 'a", "is a quote opened here and not closed?")]
    [InlineData("job: {script: a", "is a bracket not closed?")]
    [InlineData("job:\n  script: a: b", "2:12: this is not YAML")]
    [InlineData("job:\n  script: a: b", "are quotes missing around a text with \": \" in it?")]
    [InlineData("job:\n  script:\n    - [ -f x ] && y\n    - b", "put quotes around a text that starts with [")]
    [InlineData("job:\n  script: @x", "put quotes around a text that starts with @")]
    [InlineData("job:\n  script: a\n name: b", "this is not YAML: ")]
    [InlineData("job: {script: a}\n---\njob: {script: b}", "2:1: a second document starts here")]
    [InlineData("job:\n  script: *nowhere", "2:11: nothing before this is marked &nowhere")]
    [InlineData("job: &a\n  script: *a", "2:11: nothing before this is marked &a")]
    [InlineData("job: {script: !reference [a, b]}", "the tag \"!reference\" is unknown")]
    [InlineData("job: {<<: {script: a}}", "merge keys")]
    [InlineData("job: {[a]: b}", "a key is plain text")]
    [InlineData("job: {script: \"a\\0b\"}", "NUL character")]
    public void What_is_not_plain_yaml_is_told_with_its_place(string yaml, string expected) => OneProblem(yaml, expected);

    [Fact]
    public void Every_doubled_key_is_told()
    {
        var problems = ProblemsOf("job:\n  script: a\n  script: b\n  env: {A: 1, A: 2}\njob: {}\n");
        Assert.Equal(
            ["3:3: \"script\" is twice in \"job\", first in line 2", "4:15: \"A\" is twice in \"env\", first in line 4", "5:1: \"job\" is twice in the job file, first in line 1"],
            problems);
    }

    [Fact]
    public void A_bomb_of_aliases_is_refused()
    {
        var levels = Enumerable.Range(1, 12).Select(i => $"a{i}: &a{i} [{string.Join(", ", Enumerable.Repeat("*a" + (i - 1), 10))}]");
        OneProblem("a0: &a0 [boom]\n" + string.Join('\n', levels), "its aliases expand to more than 16 MiB");
    }

    [Theory]
    [InlineData("[")]
    [InlineData("{a: ")]
    [InlineData("- ")]
    public void A_deep_file_is_refused(string opening) =>
        OneProblem(string.Concat(Enumerable.Repeat(opening, 100_000)), "nested more than 16 levels deep");

    [Fact]
    public void A_large_file_is_refused_unread() => OneProblem("#" + new string('x', 1 << 20), "1:1: is larger than 1 MiB");

    [Fact]
    public void Of_very_many_problems_the_first_are_told()
    {
        var refusal = Assert.Throws<UserException>(() => Load("{" + string.Join(", ", Enumerable.Range(0, 500).Select(i => $"k{i}: 0")) + "}"));
        Assert.StartsWith("test.yml has 501 problems:", refusal.Message);
        Assert.EndsWith("\n… and 451 more", refusal.Message);
    }

    [Fact]
    public void A_file_that_is_not_text_is_refused()
    {
        File.WriteAllBytes(Path.Combine(Folder, "binary.yml"), [0xFF, 0xFE, 0x00, 0xC3]);
        Assert.Contains("binary.yml:1:1: is not UTF-8 text", Assert.Throws<UserException>(() => JobFile.Load("binary.yml", Context)).Message);
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
    {
        var refusal = Assert.Throws<UserException>(() => JobFile.Load("nowhere.yml", Context));
        Assert.Equal("Cannot read the job file nowhere.yml: there is no such file.", refusal.Message);
        Assert.Equal(ExitCodes.BadFile, refusal.ExitCode);
        Assert.Contains("it is a folder", Assert.Throws<UserException>(() => JobFile.Load(Folder, Context)).Message);
    }

    [Property(MaxTest = 300)]
    public bool No_text_is_answered_by_anything_but_a_job_or_its_problems(string? text) => IsAnswered(text ?? "");

    [Property(MaxTest = 2000)]
    public Property No_text_of_likely_pieces_is_either() => Prop.ForAll(
        Arb.From(Gen.Elements(Pieces).ArrayOf().Select(string.Concat)), IsAnswered);

    private static readonly string[] Pieces =
    [
        "job:", "runner:", "script:", "steps:", "env:", "secrets:", "network:", "allow:", "workspace:", "artifacts:", "memory:", "timeout:",
        "run:", " ", "  ", "    ", "\n", "\n  ", "\n    ", "- ", "a", "1", "'", "\"", "{", "}", "[", "]", ",", ": ", "&a ", "*a", "!t ", "|", ">-",
        "#", "\t", "---\n", "...\n", "%", "?", "~", "\\", "\0", "\u0085", "é", "\r\n", "@", "`", "<<: ", "30m", "host:80",
    ];

    private bool IsAnswered(string text)
    {
        StandardInput = text;
        try
        {
            return JobFile.Load("-", Context).Steps.Count > 0;
        }
        catch (UserException refusal)
        {
            return refusal.ExitCode == ExitCodes.BadFile && refusal.Message.Contains("<stdin>:", StringComparison.Ordinal);
        }
    }
}
