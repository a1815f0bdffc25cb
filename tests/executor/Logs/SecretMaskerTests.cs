using System.Diagnostics;
using System.Net;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using RunnerVm.Logs;
using Xunit;

namespace RunnerVm.Tests.Executor.Logs;

public sealed class SecretMaskerTests
{
    private const string Awkward = "p@ss/w0rd+\"q'uo<t>e\"&\\ 100% `é€ $x!";

    [Theory]
    [InlineData("")]
    [InlineData("abc")]
    [InlineData("  ab \n")]
    [InlineData("      ")]
    public void Short_value_is_refused_without_being_told(string value)
    {
        var refusal = Assert.Throws<ArgumentException>(() => new SecretMasker([value]));
        if (value.Trim().Length > 0)
            Assert.DoesNotContain(value.Trim() + " ", refusal.Message + " ", StringComparison.Ordinal);
        Assert.True(SecretMasker.IsTooShort(value));
    }

    [Fact]
    public void Characters_are_counted_as_code_points()
    {
        Assert.True(SecretMasker.IsTooShort("🔑🔑"));
        Assert.False(SecretMasker.IsTooShort("🔑🔑🔑🔑"));
        Assert.False(SecretMasker.IsTooShort("1234"));
    }

    [Fact]
    public void Text_without_a_secret_comes_back_as_the_same_string()
    {
        const string text = "nothing to hide";
        Assert.Same(text, new SecretMasker(["correct-horse"]).Mask(text));
    }

    [Theory]
    [InlineData("A")]
    [InlineData("AB")]
    [InlineData("ABC")]
    [InlineData("")]
    public void Value_inside_a_longer_base64_text_is_masked_at_every_alignment(string before)
    {
        byte[] secret = Encoding.UTF8.GetBytes("s3cr3t-t0ken-ÿþ");
        foreach (string after in (string[])["", "x", "xy", "xyz"])
        {
            string encoded = Convert.ToBase64String([.. Encoding.UTF8.GetBytes(before), .. secret, .. Encoding.UTF8.GetBytes(after)]);
            foreach (string text in (string[])[encoded, encoded.TrimEnd('='), encoded.Replace('+', '-').Replace('/', '_')])
            {
                string masked = Mask("s3cr3t-t0ken-ÿþ", text);
                Assert.Contains("***", masked, StringComparison.Ordinal);
                Assert.True(masked.Length <= 3 + 4 + 4 + 4, $"{text} became {masked}");
            }
        }
    }

    [Fact]
    public void Value_as_the_tools_of_dotnet_encode_it_is_masked()
    {
        byte[] bytes = Encoding.UTF8.GetBytes(Awkward);
        string[] encoded =
        [
            Awkward,
            Uri.EscapeDataString(Awkward),
            WebUtility.UrlEncode(Awkward),
            UrlEncoder.Default.Encode(Awkward),
            WebUtility.HtmlEncode(Awkward.Replace("é€", "", StringComparison.Ordinal)),
            JsonEncodedText.Encode(Awkward).ToString(),
            JsonEncodedText.Encode(Awkward, JavaScriptEncoder.UnsafeRelaxedJsonEscaping).ToString(),
            Convert.ToHexString(bytes),
            Convert.ToHexStringLower(bytes),
            Convert.ToBase64String(bytes),
            Awkward.Replace("'", "'\\''", StringComparison.Ordinal),
        ];
        var masker = new SecretMasker([Awkward, Awkward.Replace("é€", "", StringComparison.Ordinal)]);
        foreach (string form in encoded)
            Assert.Equal("<***>", masker.Mask($"<{form}>"));
    }

    [Theory]
    [InlineData("printf %s \"$S\" | base64 -w0")]
    [InlineData("printf %s \"$S\" | base64")]
    [InlineData("echo \"$S\" | base64 -w0")]
    [InlineData("printf %s \"$S\" | xxd -p", "xxd")]
    [InlineData("printf %s \"$S\" | od -An -v -tx1 | tr -d ' \\n'")]
    [InlineData("printf %s \"$S\" | openssl base64", "openssl")]
    [InlineData("printf %q \"$S\"")]
    [InlineData("python3 -c 'import os,json,sys; sys.stdout.write(json.dumps(os.environ[\"S\"]))'", "python3")]
    [InlineData("python3 -c 'import os,urllib.parse as u,sys; sys.stdout.write(u.quote(os.environ[\"S\"]))'", "python3")]
    [InlineData("python3 -c 'import os,urllib.parse as u,sys; sys.stdout.write(u.quote_plus(os.environ[\"S\"]))'", "python3")]
    [InlineData("python3 -c 'import os,shlex,sys; sys.stdout.write(shlex.quote(os.environ[\"S\"]))'", "python3")]
    [InlineData("python3 -c 'import os,html,sys; sys.stdout.write(html.escape(os.environ[\"S\"]))'", "python3")]
    [InlineData("perl -MMIME::Base64 -e 'print encode_base64($ENV{S}, \"\")'", "perl")]
    public void Value_as_the_tools_of_a_shell_encode_it_is_masked(string command, string? tool = null)
    {
        if (tool is not null && Run($"command -v {tool} || true", "").Length == 0)
            Assert.Skip($"{tool} is not installed");
        // A percent sign and letters beyond ASCII are left to the facts above: locales differ.
        const string value = "p@ss/w0rd+\"q'uo<t>e\"&\\ with spaces, long enough for two lines of base64: 0123456789abcdef";
        string printed = Run(command, value).TrimEnd('\n');
        string masked = new SecretMasker([value]).Mask(printed);
        Assert.Contains("***", masked, StringComparison.Ordinal);
        Assert.True(masked.Length <= 7, $"{command} printed {printed}, which became {masked}");
    }

    [Fact]
    public void Trace_of_a_shell_is_masked()
    {
        const string value = "it's a \"secret\" value";
        string trace = Run("set -x; echo \"$S\" >/dev/null", value, errors: true).TrimEnd('\n');
        Assert.Equal("+ echo '***'", new SecretMasker([value]).Mask(trace));
    }

    [Fact]
    public void Value_of_several_lines_is_masked_whole_line_by_line_and_with_carriage_returns()
    {
        const string key = "-----BEGIN KEY-----\n  MIIEvQIBADANBg\n  kqhkiG9w0BAQEF\nab\n-----END KEY-----\n";
        var masker = new SecretMasker([key]);
        Assert.Equal("[***]", masker.Mask($"[{key}]"));
        Assert.Equal("[***]", masker.Mask($"[{key.Replace("\n", "\r\n", StringComparison.Ordinal)}]"));
        Assert.Equal("[***]", masker.Mask("[kqhkiG9w0BAQEF]"));
        Assert.Equal("| *** |", masker.Mask("|   MIIEvQIBADANBg |"));
        Assert.Equal("ab", masker.Mask("ab"));
        Assert.Equal("{\"key\":\"***\"}", masker.Mask($"{{\"key\":\"{JsonEncodedText.Encode(key, JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"}}"));
    }

    [Fact]
    public void Value_with_a_newline_at_its_end_is_masked_without_it() => Assert.Equal("token=***;", Mask("hunter2-hunter2\n", "token=hunter2-hunter2;"));

    [Fact]
    public void Base64_that_is_broken_into_lines_is_masked_line_by_line()
    {
        string value = string.Concat(Enumerable.Range(0, 40).Select(i => $"part{i:D3}"));
        string[] lines = Convert.ToBase64String(Encoding.UTF8.GetBytes(value), Base64FormattingOptions.InsertLineBreaks).Split("\r\n");
        Assert.Equal("10:42 ***", Mask(value, "10:42 " + lines[0]));
        Assert.Equal("***", Mask(value, string.Join('\n', lines)));
    }

    [Fact]
    public void Secret_is_masked_in_text_with_lone_surrogates() => Assert.Equal("\uFFFD***", Mask("correct-horse", "\uD800correct-horse"));

    [Fact]
    public void Key_of_four_kilobytes_compiles_quickly()
    {
        string key = string.Join('\n', Enumerable.Range(0, 64).Select(line => Convert.ToBase64String(Encoding.UTF8.GetBytes($"{line:D48}"))));
        var watch = Stopwatch.StartNew();
        Assert.Equal("***", Mask(key, key));
        Assert.True(watch.Elapsed < TimeSpan.FromSeconds(5), $"took {watch.Elapsed}");
    }

    private static string Mask(string secret, string text) => new SecretMasker([secret]).Mask(text);

    private static string Run(string command, string value, bool errors = false)
    {
        var start = new ProcessStartInfo("/bin/bash", ["-c", command]) { RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["S"] = value;
        start.Environment["LC_ALL"] = "C.UTF-8";
        using Process process = Process.Start(start)!;
        string output = process.StandardOutput.ReadToEnd();
        string error = process.StandardError.ReadToEnd();
        process.WaitForExit();
        return errors ? error : output;
    }
}
