using System.Text;
using Microsoft.Extensions.Time.Testing;
using RunnerVm.Vmm.Monitor.Control;
using RunnerVm.Vmm.Monitor.Json;
using RunnerVm.Vmm.Monitor.Mmds;
using Xunit;

namespace RunnerVm.Tests.Vmm.Mmds;

public sealed class MmdsDataStoreTests
{
    private readonly FakeTimeProvider _clock = new();

    [Fact]
    public void Before_the_first_put_the_contents_are_an_empty_object_and_a_patch_is_refused()
    {
        var store = Store();
        Assert.Equal("{}", Text(store));
        Assert.False(store.Initialized);
        var fault = Assert.Throws<VmmFaultException>(() => store.Patch(Json("{}")));
        Assert.Equal(400, fault.Status);
        Assert.Contains("PUT /mmds", fault.Message, StringComparison.Ordinal);
    }

    /// <summary>The examples of RFC 7396, appendix A, those whose target and patch are both allowed here: all of them.</summary>
    [Theory]
    [InlineData("""{"a":"b"}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"b":"c"}""", """{"a":"b","b":"c"}""")]
    [InlineData("""{"a":"b"}""", """{"a":null}""", "{}")]
    [InlineData("""{"a":"b","b":"c"}""", """{"a":null}""", """{"b":"c"}""")]
    [InlineData("""{"a":["b"]}""", """{"a":"c"}""", """{"a":"c"}""")]
    [InlineData("""{"a":"c"}""", """{"a":["b"]}""", """{"a":["b"]}""")]
    [InlineData("""{"a":{"b":"c"}}""", """{"a":{"b":"d","c":null}}""", """{"a":{"b":"d"}}""")]
    [InlineData("""{"a":[{"b":"c"}]}""", """{"a":[1]}""", """{"a":[1]}""")]
    [InlineData("""["a","b"]""", """["c","d"]""", """["c","d"]""")]
    [InlineData("""{"a":"b"}""", """["c"]""", """["c"]""")]
    [InlineData("""{"a":"foo"}""", "null", "{}")]
    [InlineData("""{"a":"foo"}""", "\"bar\"", "\"bar\"")]
    [InlineData("""{"e":null}""", """{"a":1}""", """{"a":1,"e":null}""")]
    [InlineData("[1,2]", """{"a":"b","c":null}""", """{"a":"b"}""")]
    [InlineData("{}", """{"a":{"bb":{"ccc":null}}}""", """{"a":{"bb":{}}}""")]
    public void A_patch_merges_as_RFC_7396_says(string target, string patch, string result)
    {
        var store = Store();
        store.Put(Json(target));
        store.Patch(Json(patch));
        Assert.Equal(result, Text(store));
    }

    [Fact]
    public void Members_come_in_the_order_of_their_names_and_text_as_it_was()
    {
        var store = Store();
        store.Put(Json("""{ "zürich": "<a&b>", "b": {"y": 1.50, "x": [true, null]}, "a": "\u0041\n" }"""));
        Assert.Equal("""{"a":"A\n","b":{"x":[true,null],"y":1.50},"zürich":"<a&b>"}""", Text(store));
    }

    [Theory]
    [InlineData("/", "Imds", "age\nlatest/\nname\nphones")]
    [InlineData("", "Imds", "age\nlatest/\nname\nphones")]
    [InlineData("/latest", "Imds", "meta-data/\nuser~/data")]
    [InlineData("/latest/", "Imds", "meta-data/\nuser~/data")]
    [InlineData("//latest///meta-data", "Imds", "ami-id")]
    [InlineData("/latest/meta-data/ami-id", "Imds", "ami-1")]
    [InlineData("/latest/meta-data/ami-id", "Json", "\"ami-1\"")]
    [InlineData("/latest/user~0~1data", "Json", "7")]
    [InlineData("/latest/meta-data", "Json", """{"ami-id":"ami-1"}""")]
    [InlineData("/phones/1", "Imds", "+49 2")]
    [InlineData("/phones", "Json", """["+49 1","+49 2"]""")]
    [InlineData("/age", "Json", "43")]
    public void A_guest_reads_by_path(string path, string format, string expected)
    {
        Assert.Equal(MmdsAnswer.Found, Filled().Get(path, Enum.Parse<MmdsFormat>(format), out var content));
        Assert.Equal(expected, content);
    }

    [Theory]
    [InlineData("/nothing", "Json", "NotFound")]
    [InlineData("/phones/2", "Json", "NotFound")]
    [InlineData("/phones/01", "Json", "NotFound")]
    [InlineData("/phones/-1", "Json", "NotFound")]
    [InlineData("/phones/99999999999", "Json", "NotFound")]
    [InlineData("/name/deeper", "Json", "NotFound")]
    [InlineData("/age", "Imds", "UnsupportedValue")]
    [InlineData("/phones", "Imds", "UnsupportedValue")]
    public void What_is_not_there_or_has_no_lines_is_said_so(string path, string format, string expected)
    {
        Assert.Equal(Enum.Parse<MmdsAnswer>(expected), Filled().Get(path, Enum.Parse<MmdsFormat>(format), out var content));
        Assert.Equal("", content);
    }

    [Fact]
    public void In_compatible_mode_JSON_is_not_to_be_had()
    {
        var store = Filled();
        store.ImdsCompatible = true;
        Assert.Equal(MmdsAnswer.Found, store.Get("/name", MmdsFormat.Json, out var content));
        Assert.Equal("John", content);
    }

    [Fact]
    public void Over_the_limit_it_is_413_and_the_old_contents_stay()
    {
        var store = Store(limit: 20);
        store.Put(Json("""{"a":"0123456789"}"""));
        foreach (var attempt in new Action[] { () => store.Put(Json("""{"a":"0123456789012345"}""")), () => store.Patch(Json("""{"b":"012"}""")) })
        {
            var fault = Assert.Throws<VmmFaultException>(attempt);
            Assert.Equal(413, fault.Status);
            Assert.Contains("--mmds-size-limit", fault.Message, StringComparison.Ordinal);
            Assert.Equal("""{"a":"0123456789"}""", Text(store));
        }
    }

    [Fact]
    public void A_token_is_good_until_it_expires()
    {
        var tokens = Store().Tokens;
        var token = tokens.Generate(60)!;
        Assert.True(tokens.IsValid(token));
        _clock.Advance(TimeSpan.FromSeconds(59));
        Assert.True(tokens.IsValid(token));
        _clock.Advance(TimeSpan.FromSeconds(1));
        Assert.False(tokens.IsValid(token));
    }

    [Theory]
    [InlineData("")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAA==")]
    [InlineData("not base64 at all !!!!!!")]
    [InlineData("AAAA AAAA AAAA AAAA AAAA")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    public void Somebody_elses_token_is_none(string token)
    {
        var tokens = Store().Tokens;
        Assert.NotNull(tokens.Generate(60));
        Assert.False(tokens.IsValid(token));
    }

    [Theory]
    [InlineData(0u, false)]
    [InlineData(1u, true)]
    [InlineData(21_600u, true)]
    [InlineData(21_601u, false)]
    public void A_token_lives_one_second_to_six_hours(uint seconds, bool allowed) => Assert.Equal(allowed, Store().Tokens.Generate(seconds) is not null);

    [Fact]
    public void A_guest_that_asks_for_ever_more_tokens_loses_its_oldest()
    {
        var tokens = Store().Tokens;
        var all = Enumerable.Range(0, MmdsTokens.Most + 1).Select(_ => tokens.Generate(60)!).ToList();
        Assert.Equal(all.Count, all.Distinct().Count());
        Assert.False(tokens.IsValid(all[0]));
        Assert.True(tokens.IsValid(all[1]) && tokens.IsValid(all[^1]));
    }

    private static System.Text.Json.JsonElement Json(string text) => JsonBody.Parse(Encoding.UTF8.GetBytes(text), "a test");

    private static string Text(MmdsDataStore store) => Encoding.UTF8.GetString(store.Contents.Span);

    private MmdsDataStore Store(int limit = 51_200) => new(limit, _clock);

    private MmdsDataStore Filled()
    {
        var store = Store();
        store.Put(Json("""{"name":"John","age":43,"phones":["+49 1","+49 2"],"latest":{"user~/data":7,"meta-data":{"ami-id":"ami-1"}}}"""));
        return store;
    }
}
